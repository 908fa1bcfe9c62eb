import assert from "node:assert/strict"
import { suite, test } from "node:test"
import * as fc from "fast-check"
import { resourcesMax, resourcesDefault } from "../core/resources.ts"
import { resourcesOf } from "../../test/support/backends.ts"
import { parseDeclaredDemand, SimulatedDemand } from "./demand.ts"

const simulatedAmountMax = 10

function drawn(demand: SimulatedDemand, n: number, resources = 2): number[] {
  const into = new Float64Array(resources)
  demand.write(n, into)
  return [...into]
}

/** Σ (found − expected)² / expected over cells that are all equally likely. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** What a field makes of 1 and 2, or "refused", which leaves them. */
function declared(value: string): number[] | "refused" {
  const into = Float64Array.of(1, 2)
  if (parseDeclaredDemand(value, resourcesDefault, into)) return [...into]
  assert.deepEqual([...into], [1, 2], "untouched when refused")
  return "refused"
}

suite("simulated demand", () => {
  // χ² has a mean of its degrees of freedom k and a variance of 2k; its 99.9 % point is 27.9 for k = 9 and 148.2
  // for k = 99. The seeds are fixed, so a test below that passes will always pass.
  const draws = 100_000

  test("is the same on every machine", () => {
    const demand = new SimulatedDemand(resourcesDefault, 1)
    const first = Array.from({ length: 6 }, (_, n) => drawn(demand, n))
    assert.deepEqual(first, [
      [5, 6],
      [1, 3],
      [4, 2],
      [4, 7],
      [2, 1],
      [8, 9],
    ])
    assert.deepEqual(drawn(demand, 2 ** 32 - 1), [9, 1])
  })

  test("depends on the seed and the number of the request only, not on what was drawn before", () => {
    const [one, other] = [new SimulatedDemand(resourcesDefault, 5), new SimulatedDemand(resourcesDefault, 5)]
    const backwards = Array.from({ length: 100 }, (_, i) => drawn(one, 99 - i)).toReversed()
    assert.deepEqual(
      backwards,
      Array.from({ length: 100 }, (_, n) => drawn(other, n)),
    )
  })

  test("differs from seed to seed", () => {
    const sequences = new Set(
      Array.from({ length: 100 }, (_, seed) => {
        const demand = new SimulatedDemand(resourcesDefault, seed)
        return Array.from({ length: 10 }, (_, n) => drawn(demand, n).join(" ")).join(", ")
      }),
    )
    assert.equal(sequences.size, 100)
  })

  test("stays for the first resources when one is added behind them", () => {
    const two = new SimulatedDemand(resourcesOf("rate", "rate"), 3)
    const three = new SimulatedDemand(resourcesOf("rate", "rate", "space"), 3)
    for (let n = 0; n < 100; n++) assert.deepEqual(drawn(three, n, 3).slice(0, 2), drawn(two, n))
  })

  test("is uniform on the whole numbers from 1 to 10 for each of eight resources", () => {
    const demand = new SimulatedDemand(resourcesOf(...Array<"rate">(resourcesMax).fill("rate")), 1)
    const counts = Array.from({ length: resourcesMax }, () => Array<number>(simulatedAmountMax).fill(0))
    const into = new Float64Array(resourcesMax)
    for (let n = 0; n < draws; n++) {
      demand.write(n, into)
      for (const [r, amount] of into.entries()) counts[r]![amount - 1]!++
    }
    for (const [r, each] of counts.entries()) {
      assert.equal(each.length, simulatedAmountMax, "nothing outside of 1 to 10")
      assert.ok(chiSquare(each) < 27.9, `resource ${r}: χ² is ${chiSquare(each)}`)
    }
  })

  test("is independent between resources, and between a request and its successors", () => {
    const demand = new SimulatedDemand(resourcesDefault, 1)
    const rows = Array.from({ length: draws + 3 }, (_, n) => drawn(demand, n))
    const pairings: readonly (readonly [resource: number, other: number, later: number])[] = [
      [0, 1, 0],
      [0, 0, 1],
      [1, 1, 1],
      [0, 1, 1],
      [1, 0, 1],
      [0, 0, 2],
      [0, 0, 3],
    ]
    for (const [resource, other, later] of pairings) {
      const counts = Array<number>(100).fill(0)
      for (let n = 0; n < draws; n++) {
        counts[(rows[n]![resource]! - 1) * 10 + rows[n + later]![other]! - 1]!++
      }
      assert.ok(chiSquare(counts) < 148.2, `${resource}, ${other}, ${later}: χ² is ${chiSquare(counts)}`)
    }
  })
})

suite("declared demand", () => {
  test("reads integers and decimals", () => {
    assert.deepEqual(declared("compute=3, storage=12"), [3, 12])
    assert.deepEqual(declared("storage=0.125,compute=7.5"), [7.5, 0.125])
    assert.deepEqual(declared("  compute=0\t, \tstorage=00012.10  "), [0, 12.1])
  })

  test("leaves what is not named as it was", () => {
    assert.deepEqual(declared("storage=9"), [1, 9])
    assert.deepEqual(declared(""), [1, 2])
    assert.deepEqual(declared("   "), [1, 2])
  })

  test("ignores parameters, of any type", () => {
    assert.deepEqual(declared('compute=3;q=0.5;  note="a, storage=8";flag, storage=4;a=:aGk=:;b=?0'), [3, 4])
    assert.deepEqual(declared("compute=3;compute=9"), [3, 2])
  })

  test("skips keys that name no resource, whatever they hold", () => {
    for (const other of [
      "1",
      "-1",
      "-0.5",
      '"a, compute=9 \\" \\\\"',
      "token/a:b*",
      "*",
      ":aGVsbG8=:",
      "?1",
      "@1659578233",
      "@-1",
      '%"f%c3%bc"',
      "()",
      '( 1  "x";a=1   tok );b',
    ]) {
      assert.deepEqual(declared(`other=${other}, compute=5`), [5, 2], other)
      assert.deepEqual(declared(`compute=5, other=${other}`), [5, 2], other)
    }
    assert.deepEqual(declared("other, *o;x, o_-.*1, compute=5"), [5, 2])
    assert.deepEqual(declared("comput=7, computer=8, compute=5"), [5, 2])
  })

  test("counts the last of a key given twice", () => {
    assert.deepEqual(declared("compute=3, storage=4, compute=5"), [5, 4])
    assert.deepEqual(declared("compute=-3, compute=5"), [5, 2])
    assert.equal(declared("compute=5, compute=-3"), "refused")
    assert.equal(declared("compute=5, compute"), "refused")
  })

  test("refuses amounts that are none: of another type, negative, or more than the load table holds", () => {
    for (const amount of ['"3"', "three", "?1", "@3", ":Aw==:", '%"3"', "(3)", "()", "-1", "-0.001"]) {
      assert.equal(declared(`storage=1, compute=${amount}`), "refused", amount)
    }
    assert.equal(declared("compute"), "refused")
    assert.equal(declared("compute;a=3"), "refused")
    assert.deepEqual(declared("compute=1048576"), [2 ** 20, 2])
    assert.equal(declared("compute=1048576.1"), "refused")
    assert.ok(Object.is((declared("compute=-0") as number[])[0], 0), "-0 is 0")
  })

  test("refuses numbers out of the grammar (RFC 9651, 4.2.4)", () => {
    for (const number of ["", "-", "1.", ".5", "1.2345", "+1", "1e3", "0x1", "1_0", "--1", "1.2.3", "NaN"]) {
      assert.equal(declared(`compute=${number}`), "refused", number)
    }
    assert.equal(declared("other=999999999999999, compute=1")[0], 1)
    assert.equal(declared("other=1000000000000000, compute=1"), "refused", "16 digits")
    assert.equal(declared("other=999999999999.999, compute=1")[0], 1)
    assert.equal(declared("other=1000000000000.1, compute=1"), "refused", "13 digits before the point")
  })

  test("refuses a field that is no dictionary (RFC 9651, 4.2.2), even after what it needed", () => {
    for (const rest of [
      ",",
      ", ",
      ",,storage=1",
      " storage=1",
      ";",
      ";=1",
      ";A",
      ", Storage=1",
      ", 1=1",
      ", =1",
      ", other=",
      ", other = 1",
      ", other= 1",
      ', other="open',
      ', other="\\x"',
      ', other="ü"',
      ", other=:a b:",
      ", other=:aa",
      ", other=?2",
      ", other=?",
      ", other=@1.5",
      ", other=@",
      ', other=%"%C3"',
      ', other=%"%c',
      ', other=%"open',
      ", other=%x",
      ", other=(1",
      ", other=(1,2)",
      ', other=("a""b")',
      ", other=((1))",
      ", other=a\u0000",
      ", other={}",
    ]) {
      assert.equal(declared(`compute=3${rest}`), "refused", rest)
    }
    assert.equal(declared("\tcompute=3"), "refused", "only spaces may lead")
  })

  test("reads every decimal as JavaScript does", () => {
    const decimal = fc.tuple(fc.nat(1_048_575), fc.integer({ min: 1, max: 3 }), fc.nat(999))
    fc.assert(
      fc.property(decimal, ([whole, places, digits]) => {
        const text = `${whole}.${String(digits).padStart(3, "0").slice(0, places)}`
        assert.deepEqual(declared(`compute=${text}`), [Number(text), 2])
      }),
      { seed: 1, numRuns: 1_000 },
    )
  })

  test("ends on any text, and refuses or leaves finite amounts ≥ 0", () => {
    const bits = fc.constantFrom(
      "compute",
      "storage",
      "x",
      "=",
      ",",
      ";",
      " ",
      "1",
      ".",
      "-",
      '"',
      "(",
      ")",
      ":",
    )
    const texts = fc.oneof(
      fc.string(),
      fc.array(bits).map((parts) => parts.join("")),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const result = declared(text)
        if (result === "refused") return
        for (const amount of result) assert.ok(Number.isFinite(amount) && amount >= 0)
      }),
      { seed: 1, numRuns: 5_000 },
    )
  })
})
