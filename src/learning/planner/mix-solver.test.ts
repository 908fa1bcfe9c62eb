import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { solveFluid } from "../../sim/fluid-program.ts"
import { solveMix, type MixProblem, type MixSolution } from "./mix-solver.ts"

const f = (...amounts: readonly number[]): Float64Array => Float64Array.from(amounts)

function solve(problem: MixProblem, from?: Float64Array): MixSolution {
  return solveMix(problem, { from, stepsMax: 5_000, gap: 0.01 })
}

/** 1 / θ* of the same problem, by linear program. */
async function exactWorst({ resources, rates, use, capacity }: MixProblem): Promise<number> {
  const total = rates.reduce((sum, rate) => sum + rate, 0)
  const kinds = Array.from({ length: capacity.length / resources }, (_, kind) => kind)
  const row = (matrix: Float64Array, index: number): number[] =>
    Array.from(matrix.subarray(index * resources, (index + 1) * resources))
  const { thetaStar } = await solveFluid({
    names: Array.from(rates, (_, route) => `route ${route}`),
    parts: Array.from(rates, (rate) => rate / total),
    counts: kinds.map(() => 1),
    capacity: kinds.map((kind) => row(capacity, kind)),
    use: Array.from(rates, (_, route) => kinds.map(() => row(use, route))),
  })
  return total / thetaStar
}

/** The highest utilization with these shares, added up here. */
function worstOf({ resources, rates, use, capacity }: MixProblem, shares: Float64Array): number {
  const kinds = capacity.length / resources
  let worst = 0
  for (let i = 0; i < capacity.length; i++) {
    const [kind, r] = [Math.floor(i / resources), i % resources]
    let work = 0
    for (const [route, rate] of rates.entries()) {
      work += rate * shares[route * kinds + kind]! * use[route * resources + r]!
    }
    if (work > 0) worst = Math.max(worst, work / capacity[i]!)
  }
  return worst
}

// Amounts over two and a half orders of magnitude, now and then nothing at all.
const amount = fc.oneof(
  { weight: 9, arbitrary: fc.double({ min: -3, max: 3, noNaN: true }).map(Math.exp) },
  { weight: 1, arbitrary: fc.constant(0) },
)
const vector = (length: number): fc.Arbitrary<Float64Array> =>
  fc.array(amount, { minLength: length, maxLength: length }).map((list) => Float64Array.from(list))
const problems: fc.Arbitrary<MixProblem> = fc
  .record({
    resources: fc.integer({ min: 1, max: 3 }),
    routes: fc.integer({ min: 1, max: 6 }),
    kinds: fc.integer({ min: 1, max: 8 }),
  })
  .chain(({ resources, routes, kinds }) =>
    fc.record({
      resources: fc.constant(resources),
      rates: vector(routes).filter((rates) => rates.some((rate) => rate > 0)),
      use: vector(routes * resources),
      capacity: vector(kinds * resources),
    }),
  )

/** Whether every route with requests needs something, and some kind has all that it needs. */
function isWhole({ resources, rates, use, capacity }: MixProblem): boolean {
  return rates.every((rate, route) => {
    if (rate === 0) return true
    const needs = use.subarray(route * resources, (route + 1) * resources)
    if (needs.every((need) => need === 0)) return false
    for (let kind = 0; kind < capacity.length / resources; kind++) {
      if (needs.every((need, r) => need === 0 || capacity[kind * resources + r]! > 0)) return true
    }
    return false
  })
}

test("the shares are within 1 % of the optimum by linear program, and the bound is one", async () => {
  await fc.assert(
    fc.asyncProperty(problems.filter(isWhole), async (problem) => {
      const { shares, worst, bound } = solve(problem)
      const exact = await exactWorst(problem)
      assert.ok(worst <= exact * 1.01, `${worst} where ${exact} can be had`)
      assert.ok(worst >= exact * (1 - 1e-7) && bound <= exact * (1 + 1e-7), `${bound}, ${exact}, ${worst}`)
      assert.ok(Math.abs(worstOf(problem, shares) / worst - 1) < 1e-9)
    }),
    { seed: 1, numRuns: 300 },
  )
})

test("every row sums to 1 and sends nothing where it cannot be served, whatever is missing", () => {
  fc.assert(
    fc.property(problems, (problem) => {
      const { resources, rates, use, capacity } = problem
      const kinds = capacity.length / resources
      const { shares } = solveMix(problem, { stepsMax: 50, gap: 0.01 })
      for (let route = 0; route < rates.length; route++) {
        const row = shares.subarray(route * kinds, (route + 1) * kinds)
        assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-9, `row ${route} is ${row.join(", ")}`)
        const able = Array.from(row, (_, kind) =>
          Array.from({ length: resources }, (_, r) => r).every(
            (r) => use[route * resources + r] === 0 || capacity[kind * resources + r]! > 0,
          ),
        )
        if (!able.includes(true)) continue
        for (const [kind, share] of row.entries()) assert.ok(able[kind] ? share > 0 : share === 0)
      }
    }),
    { seed: 2, numRuns: 300 },
  )
})

test("more of a capacity never makes the worst worse, nor does less demand", () => {
  // Both solutions are within 1 % of their optima, so what should not grow may seem to by 1 %.
  const changes = fc.record({
    problem: problems.filter(isWhole),
    at: fc.nat(1_000),
    factor: fc.double({ min: 1, max: 4, noNaN: true }),
  })
  fc.assert(
    fc.property(changes, ({ problem, at, factor }) => {
      const { worst } = solve(problem)
      const capacity = problem.capacity.slice()
      capacity[at % capacity.length]! *= factor
      assert.ok(solve({ ...problem, capacity }).worst <= worst * 1.01)
      const use = problem.use.slice()
      use[at % use.length]! /= factor
      assert.ok(solve({ ...problem, use }).worst <= worst * 1.01)
    }),
    { seed: 3, numRuns: 100 },
  )
})

test("each of two routes goes to the kind made for it", () => {
  const { shares, worst } = solve({
    resources: 2,
    rates: f(1, 1),
    use: f(1, 0.1, 0.1, 1),
    capacity: f(10, 1, 1, 10),
  })
  assert.ok(shares[0]! > 0.98 && shares[3]! > 0.98, shares.join(", "))
  assert.ok(worst < 0.102, String(worst))
})

test("with one route, or one shape of backend, shares go by capacity", () => {
  const oneShape = solve({ resources: 2, rates: f(3, 1), use: f(1, 2, 2, 1), capacity: f(1, 1, 3, 3) })
  for (const [i, share] of [0.25, 0.75, 0.25, 0.75].entries()) {
    assert.ok(Math.abs(oneShape.shares[i]! - share) < 0.01, oneShape.shares.join(", "))
  }
  const oneRoute = solve({ resources: 2, rates: f(1), use: f(1, 1), capacity: f(4, 1, 1, 4, 2, 2) })
  for (const [i, share] of [0.25, 0.25, 0.5].entries())
    assert.ok(Math.abs(oneRoute.shares[i]! - share) < 0.01)
})

test("a second kind that is the first again changes nothing but that they share", () => {
  const single = { resources: 2, rates: f(2, 1), use: f(1, 0.2, 0.3, 1), capacity: f(8, 2, 2, 6) }
  const split = { ...single, capacity: f(4, 1, 4, 1, 2, 6) }
  const [one, two] = [solve(single), solve(split)]
  for (const route of [0, 1]) {
    const [left, right, other] = two.shares.subarray(route * 3, route * 3 + 3)
    assert.ok(Math.abs(left! - right!) < 1e-3)
    assert.ok(Math.abs(other! - one.shares[route * 2 + 1]!) < 1e-3)
  }
})

test("units change no share", () => {
  const plain = { resources: 2, rates: f(2, 1), use: f(1, 0.2, 0.3, 1), capacity: f(8, 2, 2, 6) }
  // Powers of two, so that nothing is rounded.
  const inBytes = {
    ...plain,
    use: f(1, 0.2 * 2 ** 30, 0.3, 2 ** 30),
    capacity: f(8, 2 * 2 ** 30, 2, 6 * 2 ** 30),
  }
  const louder = { ...plain, rates: f(512, 256) }
  const { shares } = solve(plain)
  for (const other of [inBytes, louder]) {
    for (const [i, share] of solve(other).shares.entries()) assert.ok(Math.abs(share - shares[i]!) < 1e-9)
  }
})

test("a route without requests goes where the others leave most", () => {
  const problem = { resources: 2, rates: f(1, 0), use: f(1, 1, 1, 0.01), capacity: f(1, 9, 9, 9) }
  const { shares } = solve(problem)
  assert.ok(shares[3]! > 0.85, shares.join(", "))
  const silent = solve({ ...problem, rates: f(0, 0) })
  assert.deepEqual(
    silent.shares,
    solve({ ...problem, rates: f(1, 1) }).shares,
    "routes without requests count as equal",
  )
})

test("a start near the end ends sooner, and a useless start does no harm", () => {
  const problem = {
    resources: 2,
    rates: f(2, 1, 3),
    use: f(1, 0.2, 0.3, 1, 0.5, 0.4),
    capacity: f(8, 2, 2, 6, 3, 3),
  }
  const first = solve(problem)
  const { sharpness } = first
  const again = solveMix(problem, { from: first.shares, sharpness, stepsMax: 5_000, gap: 0.01 })
  assert.ok(again.steps < first.steps / 2, `${again.steps} steps after ${first.steps}`)
  const from = f(1, 0, 0, 1, 0, 0, 1, 0, 0)
  const cornered = solveMix(problem, { from, sharpness: 3_000, stepsMax: 5_000, gap: 0.01 })
  assert.ok(cornered.worst <= cornered.bound * 1.01)
})

test("nothing to do, and no backend to do it", () => {
  assert.deepEqual(solve({ resources: 2, rates: f(1, 1), use: f(1, 1, 1, 1), capacity: f() }).shares, f())
  assert.deepEqual(solve({ resources: 2, rates: f(), use: f(), capacity: f(1, 1) }).shares, f())
  assert.deepEqual(
    solve({ resources: 2, rates: f(1), use: f(0, 0), capacity: f(1, 1, 3, 3) }).shares,
    f(0.25, 0.75),
  )
  // No backend has any of what it needs.
  assert.deepEqual(
    solve({ resources: 2, rates: f(1), use: f(0, 1), capacity: f(1, 0, 3, 0) }).shares,
    f(0.25, 0.75),
  )
})

test("sizes that do not fit are refused", () => {
  assert.throws(() => solve({ resources: 2, rates: f(1), use: f(1), capacity: f(1, 1) }), RangeError)
  assert.throws(() => solve({ resources: 2, rates: f(1), use: f(1, 1), capacity: f(1, 1, 1) }), RangeError)
  assert.throws(
    () => solve({ resources: 2, rates: f(1), use: f(1, 1), capacity: f(1, 1) }, f(1, 1)),
    RangeError,
  )
})
