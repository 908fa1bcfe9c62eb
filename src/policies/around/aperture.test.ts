import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, outcome, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { Aperture } from "./aperture.ts"
import type { PickRequest, Policy } from "../policy.ts"

/** Picks the first admitted, and shows what it was given. */
class Witness implements Policy {
  readonly name = "witness"
  members: readonly Backend[] = []

  rebuild(members: readonly Backend[]): void {
    this.members = members
  }

  pick(request: PickRequest): Backend | undefined {
    return this.members.find((one) => request.admits(one))
  }
}

function many(count: number): FakeBackend[] {
  return fleet(...Array.from({ length: count }, () => ({})))
}

function aperture(members: readonly Backend[], size: number, balancers: number, balancer: number) {
  const witness = new Witness()
  const policy = new Aperture(witness, resourcesOf("rate", "space"), { size, balancers, balancer })
  policy.rebuild(members)
  return { policy, weights: new Map(witness.members.map(({ id, weight }) => [id, weight])) }
}

test("all balancers together use every backend alike, whatever the numbers", () => {
  for (const [count, size, balancers] of [
    [10, 3, 4],
    [7, 12, 5],
    [100, 12, 33],
    [5, 1, 40],
    [64, 12, 8],
    [1, 12, 3],
  ] as const) {
    const members = many(count)
    const sums = new Map<string, number>()
    for (let balancer = 0; balancer < balancers; balancer++) {
      const { weights } = aperture(members, size, balancers, balancer)
      for (const [id, weight] of weights) sums.set(id, (sums.get(id) ?? 0) + weight)
    }
    // Every point is in as many windows as one window is balancers' arcs long.
    const expected = Math.min(balancers, Math.ceil((size * balancers) / count))
    for (const { id } of members) {
      assert.ok(Math.abs(sums.get(id)! - expected) < 1e-6, `${count} ${size} ${balancers}: ${sums.get(id)}`)
    }
  }
})

test("a balancer uses at least so many backends' worth, all when there are not more, and no more than it has to", () => {
  // 8 balancers and 64 backends: two arcs of 8 cover 12.
  assert.equal(aperture(many(64), 12, 8, 3).weights.size, 16)
  assert.equal(aperture(many(9), 12, 8, 3).weights.size, 9)
  assert.equal(aperture(many(50), 12, 1, 0).weights.size, 50)
})

test("the order of registration does not matter", () => {
  const members = many(30)
  const [one, other] = [aperture(members, 5, 4, 1), aperture(members.toReversed(), 5, 4, 1)]
  assert.deepEqual(one.weights, other.weights)
})

test("when no member of the window is admitted, the next on the ring is picked, with which the next window begins", () => {
  const members = many(40)
  const [one, next] = [aperture(members, 10, 4, 1), aperture(members, 10, 4, 2)]
  const picked = one.policy.pick(request([1, 1], ({ id }) => !one.weights.has(id)))!
  assert.ok(next.weights.has(picked.id))
  assert.equal(one.policy.pick(request([1, 1], () => false)), undefined)
})

test("the policy inside hears only of its own, as it sees them", () => {
  const settled = new Map<string, number>()
  const inner: Policy = new Witness()
  inner.onSettled = ({ id, weight }) => void settled.set(id, weight)
  const members = many(10)
  const policy = new Aperture(inner, resourcesOf("rate", "space"), { size: 3, balancers: 4, balancer: 1 })
  policy.rebuild(members)
  for (const member of members) policy.onSettled!(member, outcome(), 0)
  assert.deepEqual(settled, aperture(members, 3, 4, 1).weights)
})

test("a backend that is partly in the window is picked as itself", () => {
  const members = many(10)
  const { policy, weights } = aperture(members, 3, 4, 1)
  assert.ok([...weights.values()].some((weight) => weight < 1))
  for (const member of members) assert.equal(policy.pick(request([1, 1], (one) => one === member)), member)
})
