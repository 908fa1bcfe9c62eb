import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { group, kind, scenario, threeTypes, threeTypesThetaStar } from "../../test/support/scenarios.ts"
import { plainPolicy } from "../policies/index.ts"
import { capacityOf } from "./capacity.ts"
import { unloadedP99 } from "./unloaded.ts"

test("one sharing backend keeps its objective up to the load that theory says", () => {
  // Sizes are all the same, 1 s, so the unloaded p99 is 1 s and the objective 2 s. Their times have no simple law. But the
  // mean is 1 / (1 − ρ), at 0.5 the objective itself, so the share is well below that. And it takes two others within the
  // 2 s before and the 2 s after an arrival to pass the objective: at 0.037 fewer than 1 in 100 has so many,
  // 1 − e^−4λ·(1 + 4λ).
  const one = scenario({
    classes: [kind([], { demand: { r0: { kind: "constant", mean: 1 } } })],
    requests: 20_000,
  })
  const runs: number[] = []
  const { policies } = capacityOf({
    scenario: one,
    bounds: { thetaStar: 1, classBlindCeiling: 1 },
    policies: [plainPolicy("round-robin")],
    seeds: 3,
    onRun: (_, seed) => runs.push(seed),
  })
  const { bySeed, high, low, share } = policies["round-robin"]!

  assert.ok(share > 0.037 && share < 0.4, `${share}`)
  assert.ok(low <= share && share <= high)
  assert.equal(bySeed.length, 3)
  // 1 / 0.005 is 200: eight halvings.
  assert.deepEqual(
    runs,
    [1, 2, 3].flatMap((seed) => Array.from({ length: 8 }, () => seed)),
  )
})

test("price carries 0.97 of the bound on three types, and a policy that is blind to classes does not pass the ceiling", () => {
  const found = capacityOf({
    scenario: threeTypes,
    bounds: { thetaStar: threeTypesThetaStar, classBlindCeiling: 4 / 7 },
    policies: [plainPolicy("price"), plainPolicy("least-connections")],
    seeds: 1,
    resolution: 0.01,
  })
  const share = (name: string): number => found.policies[name]!.share

  assert.ok(share("price") >= 0.97, `price ${share("price")}`)
  assert.ok(share("least-connections") <= 4 / 7 && share("least-connections") > 0.47)
})

test("a fleet that responds with nothing but errors carries nothing", () => {
  const failing = scenario({
    faults: [{ backend: "b-1", atMs: 0, forMs: undefined, kind: "fast-failures", part: 0.02 }],
    requests: 2_000,
  })
  const { policies } = capacityOf({
    scenario: failing,
    bounds: { thetaStar: 1, classBlindCeiling: 1 },
    policies: [plainPolicy("round-robin")],
    seeds: 1,
  })
  assert.deepEqual(policies["round-robin"], { share: 0, low: 0, high: 1, bySeed: [0] })
})

function about(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 0.025 * expected, `${found} is not ${expected}`)
}

test("the unloaded p99 is that of the sizes, at the speed of a lane where there is one", () => {
  // The 99th percentile of an exponential is ln 100 = 4.605 of its mean. 4σ of 300_000 draws: 4·√(0.0099/n)/0.01 = 0.073,
  // and 0.8 % of a bucket. One size less at twice the speed; the second resource adds nothing where it is not needed.
  const exact = Math.log(100) * 1_000
  about(unloadedP99(scenario()), exact)
  about(unloadedP99(scenario({ backends: [group({ capacity: { r0: 8 }, lane: { r0: 2 } })] })), exact / 2)
  about(unloadedP99(scenario({ backends: [group({ capacity: { r0: 8 } })] })), exact / 8)
})

test("it matters where a request is alone: on the fastest for it, or where θ* sends its class", () => {
  const constant = { kind: "constant", mean: 1 } as const
  const two = scenario({
    resources: resourcesOf("rate", "rate"),
    backends: [
      group({ name: "fast", capacity: { r0: 4, r1: 0 } }),
      group({ name: "slow", capacity: { r0: 1, r1: 1 } }),
    ],
    classes: [
      kind([], { name: "a", share: 0.5, demand: { r0: constant }, holdMs: { kind: "constant", mean: 10 } }),
      kind([], { name: "b", share: 0.5, demand: { r1: constant } }),
    ],
  })
  // The class b takes one second in any case, so the p99 is one second, unless some of a are on the slow one.
  assert.ok(Math.abs(unloadedP99(two) - 1_000) < 8)
  const mixed = [
    [0.5, 0.5],
    [0, 1],
  ]
  assert.ok(Math.abs(unloadedP99(two, mixed) - 1_010) < 1)
  const wrong = [
    [1, 0],
    [0.5, 0.5],
  ]
  assert.equal(unloadedP99(two, wrong), Infinity)
})
