import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, outcome, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import type { Policy } from "../policy.ts"
import { RoundRobin } from "../turns/round-robin.ts"
import { Subset } from "./subset.ts"

function many(count: number) {
  return fleet(...Array.from({ length: count }, () => ({})))
}

function used(seed: number, size: number, members: readonly Backend[]): Set<string> {
  const policy = new Subset(new RoundRobin(), { size, seed })
  policy.rebuild(members)
  return new Set(members.map(() => policy.pick(request())!.id))
}

function minus(some: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...some].filter((id) => !others.has(id))
}

test("so many members are used, and all when there are not more", () => {
  const members = many(30)
  assert.equal(used(1, 8, members).size, 8)
  assert.equal(used(1, 30, members).size, 30)
  assert.equal(used(1, 99, members).size, 30)
})

test("a backend that comes or goes replaces at most one, in whatever order they registered", () => {
  const members = many(40)
  const all = used(7, 10, members)
  for (const left of members) {
    const without = used(7, 10, members.filter((one) => one !== left).toReversed())
    assert.equal(minus(without, all).length, all.has(left.id) ? 1 : 0)
  }
})

test("over many balancers every backend is used alike", () => {
  // 2,000 balancers use each with p = 1/4: 500, and 4σ of a binomial is 77.
  const members = many(40)
  const uses = new Map<string, number>()
  for (let seed = 0; seed < 2_000; seed++) {
    for (const id of used(seed, 10, members)) uses.set(id, (uses.get(id) ?? 0) + 1)
  }
  for (const { id } of members) assert.ok(Math.abs((uses.get(id) ?? 0) - 500) < 77, `${id}: ${uses.get(id)}`)
})

test("when none of the subset is admitted, the next in the seed's order is picked, which the next subset has", () => {
  const members = many(20)
  const [small, larger] = [used(3, 5, members), used(3, 6, members)]
  const policy = new Subset(new RoundRobin(), { size: 5, seed: 3 })
  policy.rebuild(members)
  const picked = policy.pick(request([1, 1], ({ id }) => !small.has(id)))!
  assert.deepEqual(minus(larger, small), [picked.id])
  assert.equal(policy.pick(request([1, 1], () => false)), undefined)
})

test("the policy inside hears only of its own", () => {
  const settled: string[] = []
  const inner: Policy = new RoundRobin()
  inner.onSettled = ({ id }) => void settled.push(id)
  const members = many(9)
  const policy = new Subset(inner, { size: 3, seed: 1 })
  policy.rebuild(members)
  for (const member of members) policy.onSettled!(member, outcome(), 0)
  assert.deepEqual(new Set(settled), used(1, 3, members))
})
