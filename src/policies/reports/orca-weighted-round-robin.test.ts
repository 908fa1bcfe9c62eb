import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, report, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import type { LoadReport } from "../../core/load-report.ts"
import { seeded } from "../../core/rng.ts"
import { policySpec } from "../index.ts"
import { OrcaWeightedRoundRobin } from "./orca-weighted-round-robin.ts"

const resources = resourcesOf("rate", "rate")

function made(given: Readonly<Record<string, number>> = {}): OrcaWeightedRoundRobin {
  const spec = policySpec("orca-weighted-round-robin", given)
  assert.ok(spec.ok)
  return new OrcaWeightedRoundRobin({ rng: seeded(1), resources, parameters: spec.value.parameters })
}

/** Turns of each in this many picks. */
function turns(policy: OrcaWeightedRoundRobin, members: readonly FakeBackend[], picks: number): number[] {
  const counts = members.map(() => 0)
  for (let i = 0; i < picks; i++) counts[members.indexOf(policy.pick(request()) as FakeBackend)]!++
  return counts
}

/** All members report every second until `until`, and time passes. */
function reporting(
  policy: OrcaWeightedRoundRobin,
  members: readonly FakeBackend[],
  reports: readonly (LoadReport | undefined)[],
  from: number,
  until: number,
): void {
  for (let now = from; now <= until; now += 1_000) {
    for (const [i, one] of reports.entries()) if (one !== undefined) policy.onReport(members[i]!, one, now)
    policy.tick(now)
  }
}

function near(found: readonly number[], expected: readonly number[]): void {
  // Earliest deadline first is never further off than a turn for each of the others.
  for (const [i, count] of found.entries())
    assert.ok(Math.abs(count - expected[i]!) <= found.length, found.join())
}

test("turns are in proportion to rate over utilization, once the blackout is over", () => {
  const policy = made()
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  const reports = [
    report({ rpsFractional: 100, cpuUtilization: 0.5 }),
    report({ rpsFractional: 100, cpuUtilization: 0.25 }),
    report({ rpsFractional: 30, applicationUtilization: 0.05, cpuUtilization: 0.9 }),
  ]
  reporting(policy, members, reports, 0, 9_000)
  near(turns(policy, members, 3_000), [1_000, 1_000, 1_000])
  reporting(policy, members, reports, 10_000, 10_000)
  // 200, 400 and 600.
  near(turns(policy, members, 3_000), [500, 1_000, 1_500])
})

test("errors count as utilization, as many as there are for each request", () => {
  const policy = made({ blackoutMs: 0, errorPenalty: 2 })
  const members = fleet({}, {})
  policy.rebuild(members)
  // 100 / (0.5 + 2 · 25 / 100) = 100 against 200.
  const reports = [
    report({ rpsFractional: 100, cpuUtilization: 0.5, eps: 25 }),
    report({ rpsFractional: 100, cpuUtilization: 0.5 }),
  ]
  reporting(policy, members, reports, 0, 0)
  near(turns(policy, members, 3_000), [1_000, 2_000])
})

test("a member without a weight gets the median of the others, or the mean where that is asked for", () => {
  for (const [unknownGetMean, expected] of [
    [0, [100, 200, 900, 200]],
    [1, [100, 200, 900, 400]],
  ] as const) {
    const policy = made({ blackoutMs: 0, unknownGetMean })
    const members = fleet({}, {}, {}, {})
    policy.rebuild(members)
    const reports = [100, 200, 900].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
    reporting(policy, members, reports, 0, 0)
    const total = expected.reduce((sum, weight) => sum + weight, 0)
    near(turns(policy, members, total), expected)
  }
})

test("with fewer than two weights all have equal turns", () => {
  const policy = made({ blackoutMs: 0 })
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  reporting(policy, members, [report({ rpsFractional: 900, cpuUtilization: 0.1 })], 0, 0)
  near(turns(policy, members, 3_000), [1_000, 1_000, 1_000])
})

test("a report without a rate or a utilization says nothing, whatever the balancer sends", () => {
  for (const empty of [
    report({ cpuUtilization: 0.1 }),
    report({ rpsFractional: 0, cpuUtilization: 0.1 }),
    report({ rpsFractional: 1_000 }),
    report({ rpsFractional: 1_000, cpuUtilization: 0 }),
  ]) {
    const policy = made({ blackoutMs: 0 })
    const members = fleet({}, {}, {})
    policy.rebuild(members)
    const reports = [100, 300].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
    reporting(policy, members, [...reports, empty], 0, 0)
    near(turns(policy, members, 600), [100, 300, 200])
  }
})

test("what was reported expires, and then the blackout comes before the next use", () => {
  const policy = made({ expiryMs: 60_000 })
  const members = fleet({}, {})
  policy.rebuild(members)
  const reports = [100, 300].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
  reporting(policy, members, reports, 0, 10_000)
  policy.tick(69_000)
  near(turns(policy, members, 400), [100, 300])
  policy.tick(70_000)
  near(turns(policy, members, 400), [200, 200])
  reporting(policy, members, reports, 80_000, 89_000)
  near(turns(policy, members, 400), [200, 200])
  reporting(policy, members, reports, 90_000, 90_000)
  near(turns(policy, members, 400), [100, 300])
})

test("weights are computed once in the time for it, not with every tick", () => {
  const policy = made({ blackoutMs: 0, updateMs: 5_000 })
  const members = fleet({}, {})
  policy.rebuild(members)
  policy.tick(0)
  const reports = [100, 300].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
  reporting(policy, members, reports, 1_000, 4_000)
  near(turns(policy, members, 400), [200, 200])
  policy.tick(5_000)
  near(turns(policy, members, 400), [100, 300])
})

test("a clamp keeps weights within so many times the mean", () => {
  const policy = made({ blackoutMs: 0, clamp: 2 })
  const members = fleet({}, {}, {}, {})
  policy.rebuild(members)
  // The mean is 1,000, so they count as 500 each and 2,000.
  const reports = [100, 100, 100, 3_700].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
  reporting(policy, members, reports, 0, 0)
  near(turns(policy, members, 3_500), [500, 500, 500, 2_000])
})

test("the largest utilization of the balancer's own resources comes first where that is asked for", () => {
  const policy = made({ blackoutMs: 0, resourceUtilization: 1 })
  const members = fleet({}, {})
  policy.rebuild(members)
  const reports = [
    report({ rpsFractional: 100, cpuUtilization: 0.1, utilization: [0.2, 0.8] }),
    report({ rpsFractional: 100, cpuUtilization: 0.2 }),
  ]
  reporting(policy, members, reports, 0, 0)
  near(turns(policy, members, 1_000), [200, 800])
})

test("turns of unequal weights are spread out", () => {
  const policy = made({ blackoutMs: 0 })
  const members = fleet({}, {})
  policy.rebuild(members)
  const reports = [100, 400].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
  reporting(policy, members, reports, 0, 0)
  const order = Array.from({ length: 60 }, () => policy.pick(request())!.id).join("")
  assert.doesNotMatch(order.slice(5), /aa|bbbbbb/)
})

test("a member that was not admitted for long has one turn at once, and no burst", () => {
  const policy = made()
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  for (let i = 0; i < 100; i++) policy.pick(request([1, 1], (one) => one !== members[1]))
  assert.equal(policy.pick(request()), members[1])
  near(turns(policy, members, 30), [10, 10, 10])
})

test("weights stay with their backends when others come and go, and a newcomer is not favoured", () => {
  const policy = made({ blackoutMs: 0 })
  const [a, b, c] = fleet({}, {}, {}) as [FakeBackend, FakeBackend, FakeBackend]
  policy.rebuild([a, b])
  const reports = [100, 300].map((rpsFractional) => report({ rpsFractional, cpuUtilization: 1 }))
  reporting(policy, [a, b], reports, 0, 0)
  turns(policy, [a, b], 1_000)
  policy.rebuild([c, b, a])
  policy.tick(100)
  near(turns(policy, [a, b, c], 600), [100, 300, 200])
})

test("numbers beyond all sense are passed over, and the turns of the others stay what they are", () => {
  for (const absurd of [
    { rpsFractional: 1e308, cpuUtilization: 1e-10 },
    { rpsFractional: 1e10, cpuUtilization: 0.5 },
    { rpsFractional: 100, cpuUtilization: 0.5, eps: 1e308 },
  ]) {
    const policy = made({ blackoutMs: 0 })
    const members = fleet({}, {}, {})
    policy.rebuild(members)
    const sane = report({ rpsFractional: 100, cpuUtilization: 0.5 })
    reporting(policy, members, [report(absurd), sane, sane], 0, 3_000)
    near(turns(policy, members, 3_000), [1_000, 1_000, 1_000])
  }
})
