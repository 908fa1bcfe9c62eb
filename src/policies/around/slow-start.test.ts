import assert from "node:assert/strict"
import { test } from "node:test"
import {
  fleet,
  outcome,
  request,
  resourcesOf,
  type FakeBackend,
  type Traits,
} from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { nothingKnown, type Knowledge } from "../../core/knowledge.ts"
import type { PickRequest, Policy } from "../policy.ts"
import { Price } from "../prices/price.ts"
import { seeded } from "../../core/rng.ts"
import { unscaled } from "./scaled.ts"
import { SlowStart, slowStartDefault, type SlowStartSpec } from "./slow-start.ts"
import { WeightedRoundRobin } from "../turns/weighted-round-robin.ts"

const resources = resourcesOf("rate", "space")

/** Remembers what it was given, and picks the last member that is admitted. */
class Witness implements Policy {
  readonly name = "witness"
  members: readonly Backend[] = []
  rebuilds = 0
  told: unknown[] = []

  rebuild(members: readonly Backend[]): void {
    this.members = members
    this.rebuilds++
  }

  pick(request: PickRequest): Backend | undefined {
    return this.members.findLast((one) => request.admits(one))
  }

  onBegun(backend: Backend, request: PickRequest): void {
    this.told.push(["begun", this.members.indexOf(backend), request.route, request.admits(backend)])
  }

  onSettled(backend: Backend, { status }: { readonly status: number }, now: number): void {
    this.told.push(["settled", this.members.indexOf(backend), status, now])
  }
}

function warming(spec: Partial<SlowStartSpec>, ...traits: readonly Traits[]) {
  const witness = new Witness()
  const policy = new SlowStart(witness, resources, { ...slowStartDefault, windowMs: 1_000, ...spec })
  const members = fleet(...traits)
  policy.rebuild(members)
  return { witness, policy, members }
}

const weightsAt = (
  spec: Partial<SlowStartSpec>,
  times: readonly number[],
): readonly (number | undefined)[] => {
  const { witness, policy } = warming(spec, {}, { eligibleSince: 0, weight: 2 })
  return times.map((now) => {
    policy.tick(now)
    return witness.members[1]?.weight
  })
}

test("weight grows from the least share in proportion to time, and then is what it is", () => {
  assert.deepEqual(
    weightsAt({}, [0, 50, 100, 250, 500, 940, 1_000, 2_000]),
    [0.2, 0.2, 0.2, 0.5, 1, 1.88, 2, 2],
  )
})

test("aggression bends the growth", () => {
  assert.deepEqual(weightsAt({ aggression: 2 }, [0, 250, 640, 1_000]), [0.2, 1, 1.6, 2])
  assert.deepEqual(
    weightsAt({ aggression: 0.5, minShare: 0.01 }, [0, 250, 500, 1_000]),
    [0.02, 0.125, 0.5, 2],
  )
})

test("capacity of rates grows with it, capacity of space does not", () => {
  const { witness, policy, members } = warming({}, {}, { eligibleSince: 0, capacity: [8, 8] })
  policy.tick(500)
  assert.deepEqual([...witness.members[1]!.capacity], [4, 8])
  assert.equal(witness.members[1]!.load, members[1]!.load)
  assert.deepEqual([...members[1]!.capacity], [8, 8], "the backend itself is not touched")
})

test("a backend that was there from the start never warms up, and then nothing is put between", () => {
  const { witness, policy, members } = warming({}, {}, {})
  policy.tick(0)
  assert.equal(witness.members, members)
  assert.equal(witness.rebuilds, 1)
  assert.equal(policy.pick(request()), members[1])
})

test("before any tick, time is when the last came", () => {
  const { witness } = warming(
    {},
    { eligibleSince: 5_000 },
    { eligibleSince: 5_250 },
    { eligibleSince: 9_000 },
  )
  assert.deepEqual(
    witness.members.map(({ weight }) => weight),
    [1, 1, 0.1],
  )
})

test("a backend from the future, by a clock that differs, is as one that has just come", () => {
  const { witness, policy } = warming({}, {}, { eligibleSince: 10_000 })
  policy.tick(9_000)
  assert.equal(witness.members[1]?.weight, 0.1)
})

test("the policy inside is rebuilt twenty times per window at most, and not at all when no backend warms up", () => {
  const { witness, policy } = warming({}, {}, { eligibleSince: 0 })
  for (let now = 0; now <= 5_000; now++) policy.tick(now)
  assert.equal(witness.rebuilds, 21, "the members once, and each twentieth of the window")
})

test("picks, refusals and what is told name the backend outside and the view inside", () => {
  const { witness, policy, members } = warming({}, {}, { eligibleSince: 0 })
  assert.notEqual(witness.members[1], members[1])
  const asked = request([1, 1], (one) => one === members[1], undefined, { route: 7 })
  assert.equal(policy.pick(asked), members[1])
  assert.equal(policy.pick(request([1, 1], (one) => one === members[0])), members[0])
  policy.onBegun!(members[1]!, asked)
  policy.onSettled!(members[1]!, outcome({ status: 204 }), 12)
  policy.onSettled!(members[0]!, outcome(), 13)
  assert.deepEqual(witness.told, [
    ["begun", 1, 7, true],
    ["settled", 1, 204, 12],
    ["settled", 0, 200, 13],
  ])
  assert.equal(policy.onReport, undefined, "the policy inside takes no reports")
})

test("a prober is asked about the backend, not the view", () => {
  const { witness, members } = warming({}, {}, { eligibleSince: 0 })
  const probed: Backend[] = []
  const prober = unscaled({ probe: (backend) => void probed.push(backend) })
  for (const member of witness.members) prober.probe(member, () => {})
  assert.deepEqual(probed, members)
})

test("the mix inside has its part of a backend that warms up, and all of it afterwards", () => {
  const learned: Knowledge[] = []
  const witness = Object.assign(new Witness(), {
    learn: (knowledge: Knowledge) => void learned.push(knowledge),
  })
  const policy = new SlowStart(witness, resources, { ...slowStartDefault, windowMs: 1_000 })
  const members = fleet({}, { eligibleSince: 0 })
  const backends = members.map(({ id }) => id)
  policy.rebuild(members)
  policy.tick(500)
  const mix = { backends, shares: Float64Array.of(0.5, 0.5, 1, 0, 0, 1) }
  policy.learn({ ...nothingKnown, mix })
  assert.deepEqual(learned.at(-1)?.mix, { backends, shares: Float64Array.of(2 / 3, 1 / 3, 1, 0, 0, 1) })
  policy.tick(1_000)
  assert.equal(learned.at(-1)?.mix, mix)
  assert.deepEqual([...mix.shares], [0.5, 0.5, 1, 0, 0, 1], "what was learned is not touched")
})

test("turns and prices obey: at a half of the window a backend gets half of a full one's share", () => {
  for (const inner of [
    new WeightedRoundRobin(),
    new Price({ rng: seeded(1), resources: resourcesOf("rate", "rate"), parameters: {} }),
  ]) {
    const policy = new SlowStart(inner, resourcesOf("rate", "rate"), { ...slowStartDefault, windowMs: 1_000 })
    const members = fleet({}, { eligibleSince: 0 })
    policy.rebuild(members)
    policy.tick(500)
    // Nothing ends: turns are 2 to 1 in each three, and prices are level when backlogs are 2 to 1.
    for (let n = 0; n < 300; n++) (policy.pick(request()) as FakeBackend).load.hold(Float64Array.of(1, 1))
    assert.ok(Math.abs(members[1]!.load.inFlight - 100) <= 1, `${inner.name}: ${members[1]!.load.inFlight}`)
  }
})
