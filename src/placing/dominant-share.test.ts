import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import {
  assetShare,
  compareStandings,
  dominantShare,
  equalIncomes,
  progressiveFilling,
  type Standing,
} from "./dominant-share.ts"

const v = (...amounts: number[]): Float64Array => Float64Array.from(amounts)

function standing(
  used: readonly number[],
  minimum: readonly number[] = used.map(() => 0),
  weight = 1,
): Standing {
  return { used: v(...used), minimum: v(...minimum), weight }
}

function filled(
  totals: readonly number[],
  demands: readonly (readonly number[])[],
  shareOf?: typeof dominantShare,
  more: { readonly weights?: readonly number[]; readonly tasksMax?: readonly number[] } = {},
): number[] {
  const claims = demands.map((demand, i) => ({
    demand: v(...demand),
    weight: more.weights?.[i] ?? 1,
    tasksMax: more.tasksMax?.[i] ?? Infinity,
  }))
  return [...progressiveFilling(v(...totals), claims, shareOf)]
}

function near(found: readonly number[], expected: readonly number[]): void {
  assert.equal(found.length, expected.length)
  for (const [i, one] of found.entries()) assert.ok(Math.abs(one - expected[i]!) < 1e-9, found.join(" "))
}

test("the dominant share is the largest, and of what there is none of nobody has a share", () => {
  assert.equal(dominantShare(v(3, 1), v(9, 18)), 1 / 3)
  assert.equal(dominantShare(v(1, 4), v(9, 18)), 4 / 18)
  assert.equal(dominantShare(v(5, 1), v(0, 10)), 0.1)
  assert.equal(dominantShare(v(5, 1), v(0, 0)), 0)
})

test("the example of the DRF paper: three tasks of A, two of B, and both have two thirds", () => {
  const tasks = filled(
    [9, 18],
    [
      [1, 4],
      [3, 1],
    ],
  )
  near(tasks, [3, 2])
  near([dominantShare(v(3, 12), v(9, 18)), dominantShare(v(6, 2), v(9, 18))], [2 / 3, 2 / 3])
})

test("asset fairness shares the same example otherwise", () => {
  near(
    filled(
      [9, 18],
      [
        [1, 4],
        [3, 1],
      ],
      assetShare,
    ),
    [63 / 25, 54 / 25],
  )
})

test("in the same example the lowest dominant share is served next, task by task until nothing fits", () => {
  const totals = v(9, 18)
  const demands = { a: [1, 4], b: [3, 1] }
  for (const [tied, order] of [
    ["b", "b a a b a"],
    ["a", "a b a b a"],
  ] as const) {
    const used = { a: v(0, 0), b: v(0, 0) }
    const served: string[] = []
    for (;;) {
      const fitting = (["a", "b"] as const).filter((user) =>
        demands[user].every((amount, r) => used.a[r]! + used.b[r]! + amount <= totals[r]!),
      )
      if (fitting.length === 0) break
      const order = compareStandings(standing([...used.a]), standing([...used.b]), totals)
      const user = fitting.length === 1 ? fitting[0]! : order === 0 ? tied : order < 0 ? "a" : "b"
      for (const [r, amount] of demands[user].entries()) used[user][r]! += amount
      served.push(user)
    }
    assert.equal(served.join(" "), order)
    assert.deepEqual([...used.a, ...used.b], [3, 12, 6, 2])
  }
})

function bought(
  totals: readonly number[],
  demands: readonly (readonly number[])[],
  weights: readonly number[] = demands.map(() => 1),
): number[] {
  const claims = demands.map((demand, i) => ({ demand: v(...demand), weight: weights[i]! }))
  return [...equalIncomes(v(...totals), claims)]
}

test("with equal incomes the same example is shared in yet another way", () => {
  near(
    bought(
      [9, 18],
      [
        [1, 4],
        [3, 1],
      ],
    ),
    [45 / 11, 18 / 11],
  )
})

test("with equal incomes whoever needs what nobody else does has all of it, and weights are incomes", () => {
  near(
    bought(
      [10, 10],
      [
        [1, 0],
        [1, 0],
        [0, 1],
      ],
    ),
    [5, 5, 10],
  )
  near(bought([12], [[1], [1]], [2, 1]), [8, 4])
  // Only the first is short, so only it costs anything.
  near(
    bought(
      [10, 1_000],
      [
        [1, 1],
        [2, 1],
      ],
    ),
    [5, 2.5],
  )
  assert.deepEqual(
    bought(
      [0, 10],
      [
        [1, 1],
        [0, 2],
        [0, 0],
      ],
    ),
    [0, 5, Infinity],
  )
})

test("no other way to share makes the product of the tasks larger", () => {
  const demand = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
  const totals = fc.tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }))
  fc.assert(
    fc.property(totals, demand, demand, (all, a, b) => {
      const [x, y] = bought(all, [a, b])
      for (const [r, total] of all.entries()) assert.ok(x! * a[r]! + y! * b[r]! <= total * (1 + 1e-9))
      // All that can be shared with nothing to spare: the most of b beside so much of a.
      const most = Math.min(...all.map((total, r) => total / a[r]!))
      for (let part = 0.01; part < 1; part += 0.01) {
        const other = Math.min(...all.map((total, r) => (total - part * most * a[r]!) / b[r]!))
        assert.ok(part * most * other <= x! * y! * (1 + 1e-3), `${part}`)
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("DRF on each of two servers by itself gives six tasks to each user, where ten of each would fit", () => {
  const demands = [
    [0.2, 1],
    [1, 0.2],
  ]
  near(filled([2, 12], demands), [5, 1])
  near(filled([12, 2], demands), [1, 5])
  // Each user wholly on its server, as a share of both servers together.
  assert.equal(dominantShare(v(2, 10), v(14, 14)), 5 / 7)
  assert.equal(dominantShare(v(10, 2), v(14, 14)), 5 / 7)
})

test("each of two has half of everything or more by DRF; asset fairness leaves one below", () => {
  near(
    filled(
      [30, 30],
      [
        [1, 3],
        [1, 1],
      ],
    ),
    [5, 15],
  )
  near(
    filled(
      [30, 30],
      [
        [1, 3],
        [1, 1],
      ],
      assetShare,
    ),
    [6, 12],
  )
})

test("a hundred processors and ten terabytes are twenty and ten tasks", () => {
  near(
    filled(
      [100, 10_000],
      [
        [2, 300],
        [6, 100],
      ],
    ),
    [20, 10],
  )
})

test("with one resource it is max-min: who wants less than its part has all it wants", () => {
  near(filled([10], [[1], [1], [1], [1]], dominantShare, { tasksMax: [2, 2.6, 4, 5] }), [2, 2.6, 2.7, 2.7])
})

test("who does not need what is used up goes on, and weights count", () => {
  // Both need the first resource, the third claim only the second.
  near(
    filled(
      [10, 10],
      [
        [1, 0],
        [1, 0],
        [0, 1],
      ],
    ),
    [5, 5, 10],
  )
  near(filled([12], [[1], [1]], dominantShare, { weights: [2, 1] }), [8, 4])
})

test("a claim on what there is none of gets nothing, and one that needs nothing all it wants", () => {
  near(
    filled(
      [0, 10],
      [
        [1, 1],
        [0, 2],
        [0, 0],
      ],
      dominantShare,
      { tasksMax: [9, 9, 9] },
    ),
    [0, 5, 9],
  )
})

test("nobody can have more without someone having less, and no resource is given out twice", () => {
  const demand = fc.tuple(fc.nat(9), fc.nat(9)).filter(([one, other]) => one + other > 0)
  const totals = fc.tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }))
  fc.assert(
    fc.property(totals, fc.array(demand, { minLength: 1, maxLength: 6 }), (all, demands) => {
      const tasks = filled(all, demands)
      const used = all.map((_, r) => demands.reduce((sum, one, i) => sum + tasks[i]! * one[r]!, 0))
      for (const [r, amount] of used.entries()) assert.ok(amount <= all[r]! * (1 + 1e-9))
      for (const one of demands) {
        assert.ok(one.some((amount, r) => amount > 0 && used[r]! >= all[r]! * (1 - 1e-9)))
      }
    }),
    { seed: 1, numRuns: 300 },
  )
})

/** Which way the comparison goes, the same from both sides. */
function first(totals: readonly number[], one: Standing, other: Standing): number {
  const sign = compareStandings(one, other, v(...totals))
  assert.equal(compareStandings(other, one, v(...totals)) + sign, 0)
  return sign
}

test("who is served first, case by case as YARN's Fair Scheduler has it", () => {
  assert.ok(
    first([8_000, 4], standing([1_000, 1]), standing([2_000, 1])) < 0,
    "dominant tie, the second decides",
  )
  assert.ok(first([8_000, 8], standing([4_000, 3]), standing([2_000, 5])) < 0, "4/8 before 5/8")
  assert.ok(first([8_000, 8], standing([2_000, 5], [0, 6]), standing([4_000, 3])) < 0, "needy first")
  const [two, four] = [standing([2_000, 5], [3_000, 6]), standing([4_000, 3], [5_000, 4])]
  assert.ok(first([8_000, 100], two, four) < 0, "2/3 of the minimum before 4/5")
  assert.ok(first([8_000, 8], standing([3_000, 1], [0, 0], 2), standing([2_000, 1])) < 0, "by weight")
  assert.ok(first([4_000, 5], standing([2_000, 1]), standing([1_000, 2])) > 0, "2/5 before 1/2")
  assert.ok(first([8_000, 6], standing([2_000, 1]), standing([1_000, 2])) < 0, "1/4 before 1/3")
  assert.equal(first([8, 8], standing([2, 1]), standing([1, 2])), 0, "nothing tells them apart")
  assert.ok(first([0, 8], standing([9, 1]), standing([1, 2])) < 0, "what there is none of does not count")
  assert.equal(first([0, 0], standing([9, 1]), standing([1, 2])), 0)
})
