import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, outcome, request, type FakeBackend, type Traits } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { drawAtRandom } from "../tools/draw.ts"
import { makePolicy, plainPolicy } from "../index.ts"
import type { Policy } from "../policy.ts"
import { RoundRobin } from "../turns/round-robin.ts"
import { ZonePreference, type ZoneSpec } from "./zone-preference.ts"

function inZone(spec: Partial<ZoneSpec>, members: readonly Backend[]): Policy {
  const draw = drawAtRandom(seeded(5))
  const policy = new ZonePreference(
    () => new RoundRobin(),
    { local: "a", membersMin: 6, ...spec },
    draw,
    draw,
  )
  policy.rebuild(members)
  return policy
}

function measuring(): Policy {
  return makePolicy(plainPolicy("least-time-traefik"), { rng: seeded(1), resources: resourcesDefault })
}

const of = (count: number, traits: Traits): Traits[] => Array.from({ length: count }, () => traits)

/** How many of 20_000 requests go to each zone. */
function shares(policy: Policy, admits?: (backend: Backend) => boolean): Record<string, number> {
  const won: Record<string, number> = {}
  for (let n = 0; n < 20_000; n++) {
    const zone = (policy.pick(request([1, 1], admits)) as FakeBackend).zone ?? "none"
    won[zone] = (won[zone] ?? 0) + 1
  }
  return won
}

/** Within 4σ of a binomial with n = 20_000. */
function isShare(won: number | undefined, share: number): void {
  const bound = 4 * Math.sqrt(20_000 * share * (1 - share))
  assert.ok(Math.abs((won ?? 0) - 20_000 * share) <= bound, `${won} is not ${share} of 20000`)
}

test("everything stays when the zone has as much capacity as it has requests", () => {
  const members = fleet(...of(3, { zone: "a" }), ...of(3, { zone: "b" }), ...of(3, { zone: "c" }))
  assert.deepEqual(shares(inZone({}, members)), { a: 20_000 })
  const rich = fleet(...of(5, { zone: "a" }), ...of(3, { zone: "b" }))
  assert.deepEqual(shares(inZone({}, rich)), { a: 20_000 })
})

test("what is too much spills over to zones that have more capacity than requests, in proportion to how much", () => {
  // Capacity 2, 3, 5 and 2 of 12, and a quarter of the requests each: of the zone's, 2/3 stay. Zone b has exactly what
  // arrives there, and so nothing to spare; d lacks some; only c has.
  const members = fleet(
    ...of(2, { zone: "a" }),
    ...of(3, { zone: "b" }),
    ...of(5, { zone: "c" }),
    ...of(2, { zone: "d" }),
  )
  const won = shares(inZone({}, members))
  isShare(won["a"], 2 / 3)
  isShare(won["c"], 1 / 3)
  assert.deepEqual(Object.keys(won).toSorted(), ["a", "c"])

  // Capacity 1, 4 and 3 of 8: 3/8 stay. To spare there is 4/8 − 1/3 = 4/24 and 3/8 − 1/3 = 1/24.
  const two = shares(
    inZone({}, fleet(...of(1, { zone: "a" }), ...of(4, { zone: "b" }), ...of(3, { zone: "c" }))),
  )
  isShare(two["a"], 3 / 8)
  isShare(two["b"], (5 / 8) * (4 / 5))
  isShare(two["c"], (5 / 8) * (1 / 5))
})

test("capacity counts by resource, not backends: half the compute and a sixth of the storage is a third", () => {
  const members = fleet({ zone: "a", capacity: [20, 4] }, ...of(5, { zone: "b", capacity: [4, 4] }))
  // A third of the capacity for half of the requests: 2/3 stay.
  isShare(shares(inZone({}, members))["a"], 2 / 3)
})

test("where requests arrive may be said, and a member without a zone has only capacity", () => {
  const members = fleet(...of(3, { zone: "a" }), ...of(2, { zone: "b" }), ...of(1, {}))
  // Half of the capacity, for 8 of 10 requests: 5/8 stay. Zone b has 1/3 for 2/10, the one without 1/6 for nothing.
  const won = shares(inZone({ origins: { a: 8, b: 2 } }, members))
  isShare(won["a"], 5 / 8)
  isShare(won["b"], (3 / 8) * (2 / 15 / (2 / 15 + 1 / 6)))
  assert.deepEqual(
    shares(inZone({ origins: { b: 1 } }, members)),
    { a: 20_000 },
    "nothing arrives here: all stays",
  )
})

test("zones are not looked at below the least number of members, without a local one, or without another", () => {
  const five = fleet(...of(2, { zone: "a" }), ...of(3, { zone: "b" }))
  assert.deepEqual(shares(inZone({}, five)), { a: 8_000, b: 12_000 })
  assert.deepEqual(shares(inZone({ membersMin: 5 }, five))["b"] !== 12_000, true)
  const elsewhere = fleet(...of(4, { zone: "b" }), ...of(4, { zone: "c" }))
  assert.deepEqual(shares(inZone({}, elsewhere)), { b: 10_000, c: 10_000 })
  assert.deepEqual(shares(inZone({}, fleet(...of(8, { zone: "a" })))), { a: 20_000 })
})

test("when no local member is admitted the others are used, by capacity", () => {
  const members = fleet(...of(6, { zone: "a" }), ...of(1, { zone: "b" }), ...of(3, { zone: "c" }))
  const won = shares(inZone({}, members), ({ zone }) => zone !== "a")
  isShare(won["b"], 1 / 4)
  isShare(won["c"], 3 / 4)
})

test("when the zone that was drawn is full, the local one is next", () => {
  const members = fleet(...of(1, { zone: "a" }), ...of(4, { zone: "b" }), ...of(3, { zone: "c" }))
  const won = shares(inZone({}, members), ({ zone }) => zone !== "b")
  isShare(won["a"], 3 / 8 + 1 / 2)
  isShare(won["c"], 1 / 8)
})

test("a zone keeps its turns when another comes or goes", () => {
  const members = fleet(...of(3, { zone: "a" }), ...of(3, { zone: "b" }), { zone: "c" })
  const policy = inZone({}, members.slice(0, 6))
  assert.equal(policy.pick(request())?.id, "a")
  policy.rebuild(members)
  assert.equal(policy.pick(request([1, 1], ({ zone }) => zone === "a"))?.id, "b")
})

test("what a zone's policy has measured is still known after zones were not looked at for a while", () => {
  const draw = drawAtRandom(seeded(5))
  const policy = new ZonePreference(measuring, { local: "a", membersMin: 6 }, draw, draw)
  const members = fleet(...of(3, { zone: "a" }), ...of(3, { zone: "b" }))
  policy.rebuild(members)
  // Of zone b the second is fast.
  for (const [i, one] of members.entries())
    policy.onSettled!(one, outcome({ firstByteMs: i === 4 ? 1 : 90 }), 0)
  const inB = (): string => policy.pick(request([1, 1], ({ zone }) => zone === "b"))!.id
  for (let n = 0; n < 10; n++) assert.equal(inB(), members[4]!.id)
  for (let flip = 0; flip < 3; flip++) {
    policy.rebuild(members.slice(0, 5))
    policy.rebuild(members)
  }
  policy.onSettled!(members[5]!, outcome({ firstByteMs: 90 }), 0)
  for (let n = 0; n < 10; n++) assert.equal(inB(), members[4]!.id)
})
