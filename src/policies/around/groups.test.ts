import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { nothingKnown, type Knowledge } from "../../core/knowledge.ts"
import { Groups } from "./groups.ts"
import type { Policy } from "../policy.ts"

class Witness implements Policy {
  readonly name = "witness"
  members = ""
  learned: Knowledge | undefined
  ticks = 0

  rebuild(members: readonly Backend[]): void {
    this.members = members.map(({ id }) => id).join("")
  }

  pick(): undefined {}

  learn(knowledge: Knowledge): void {
    this.learned = knowledge
  }

  tick(): void {
    this.ticks++
  }
}

function groupsOf() {
  const made: Witness[] = []
  const groups = new Groups<number>(() => {
    const policy = new Witness()
    made.push(policy)
    return policy
  })
  return { groups, made }
}

const together = (): number => -1
const tierOf = ({ tier }: Backend): number => tier

test("each group has a policy of its own, kept while it has members; the first made is not wasted", () => {
  const { groups, made } = groupsOf()
  const [a, b, c] = fleet({ tier: 1 }, { tier: 0 }, { tier: 1 })
  groups.rebuild([a!, b!, c!], tierOf)
  assert.deepEqual(
    made.map(({ members }) => members),
    ["ac", "b"],
  )
  assert.equal(groups.holderOf(c!), made[0])
  groups.rebuild([b!], tierOf)
  assert.equal(groups.holderOf(b!), made[1])
  assert.equal(groups.holderOf(c!), undefined)
  groups.rebuild([c!], tierOf)
  assert.equal(groups.holderOf(c!), made[2], "a group whose members have all left begins anew")
})

test("all learn and are told of time, and a policy that comes later knows what the others learned", () => {
  const { groups, made } = groupsOf()
  const [a, b] = fleet({ tier: 0 }, { tier: 1 })
  const knowledge = { ...nothingKnown, version: 3 }
  groups.learn(knowledge)
  groups.rebuild([a!], tierOf)
  groups.rebuild([a!, b!], tierOf)
  groups.tick(5)
  for (const policy of made) assert.deepEqual([policy.learned, policy.ticks], [knowledge, 1])
  assert.equal(made.length, 2)
})

test("a group that has no members for a while keeps its policy, and of its members those that have not left", () => {
  const { groups, made } = groupsOf()
  const [a, b, c] = fleet({ tier: 0 }, { tier: 1 }, { tier: 1 })
  groups.rebuild([a!, b!, c!], tierOf)
  groups.rebuild([a!, b!], together)
  assert.deepEqual(
    made.map(({ members }) => members),
    ["a", "b", "ab"],
    "what has left is not held on to",
  )
  const knowledge = { ...nothingKnown, version: 3 }
  groups.learn(knowledge)
  groups.rebuild([a!, b!, c!], tierOf)
  assert.equal(groups.holderOf(b!), made[1])
  assert.equal(made.length, 3)
  assert.deepEqual([made[1]!.members, made[1]!.learned], ["bc", knowledge])
})

test("of groups without members no more than 16 are kept", () => {
  const { groups, made } = groupsOf()
  const members = fleet(...Array.from({ length: 40 }, (_, tier) => ({ id: `b${tier}`, tier })))
  groups.rebuild(members, tierOf)
  groups.rebuild(members, together)
  groups.rebuild(members, tierOf)
  // The one for all, and 24 of forty anew.
  assert.equal(made.length, 40 + 1 + 24)
})
