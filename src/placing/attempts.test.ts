import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { type BackendLoad, parseBackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { PickRequest, Policy } from "../policies/policy.ts"
import { Attempts, type PlacedBackend, roomUnitsOf } from "./attempts.ts"
import { Choosing } from "./choosing.ts"
import { LoadTable } from "./load-table.ts"

const resources = resourcesOf("space")
const one = Float64Array.of(1)

class Placed implements PlacedBackend {
  readonly id
  readonly slot: number
  readonly capacity = one
  readonly roomUnits = roomUnitsOf(resources, one)
  readonly weight = 1
  readonly zone = undefined
  readonly tier = 0
  readonly eligibleSince = -Infinity
  readonly address = ""
  readonly load: BackendLoad
  avoidUntil: Millis = -Infinity

  constructor(slot: number, table: LoadTable) {
    this.id = parseBackendId(`b${slot}`)!
    this.slot = slot
    this.load = table.loadOf(slot)
  }
}

class Anybody extends Choosing<Placed> {
  override hasTried(): boolean {
    return false
  }

  override isOpen(): boolean {
    return true
  }
}

/** Two backends with room for one request each, two threads that place requests there, and what the first one asks. */
function world(): {
  readonly members: readonly [Placed, Placed]
  readonly attempts: Attempts
  readonly others: Attempts
  readonly choosing: Anybody
  readonly units: Int32Array
} {
  const table = LoadTable.create(resources, 2, 2)
  const attempts = new Attempts(table, 0, 1, () => {})
  const others = new Attempts(table, 1, 1, () => {})
  const choosing = new Anybody(resources, one)
  const members = [new Placed(0, table), new Placed(1, table)] as const
  return { members, attempts, others, choosing, units: attempts.unitsOf(one) }
}

/** The first that is admitted; `between` choosing and reserving others do something. */
function first(members: readonly Placed[], between: (picked: Placed) => void = () => {}): Policy & Begun {
  const begun: string[] = []
  return {
    name: "first",
    begun,
    rebuild: () => {},
    pick(request) {
      const picked = members.find((member) => request.admits(member))
      if (picked !== undefined) between(picked)
      return picked
    },
    onBegun: ({ id, load }) => void begun.push(`${id}: ${load.inFlight}`),
  }
}

interface Begun {
  readonly begun: readonly string[]
}

test("a backend that another thread fills between choosing and reserving is passed over", () => {
  const { attempts, choosing, members, others, units } = world()
  const [a, b] = members
  const policy = first(members, (picked) => {
    if (picked === a) others.begin(a, units)
  })
  assert.equal(attempts.place(policy, choosing, units)?.backend, b)
  assert.deepEqual(policy.begun, ["b1: 1"])
})

test("who had no room is not asked again for one request, and is for the next", () => {
  const { attempts, choosing, members, others, units } = world()
  const [a, b] = members
  let theirs = others.begin(a, units)
  let picks = 0
  const policy: Policy = {
    name: "rushed",
    rebuild: () => {},
    pick(request) {
      picks++
      // Whenever it is looked at it has room, and none when it comes to reserving.
      theirs?.settle("success", 0)
      const isAdmitted = request.admits(a)
      theirs = others.begin(a, units)
      return isAdmitted ? a : request.admits(b) ? b : undefined
    },
  }
  const placed = attempts.place(policy, choosing, units)!
  assert.deepEqual([placed.backend, picks], [b, 2])
  placed.settle("success", 0)
  theirs?.settle("success", 0)
  assert.equal(attempts.place(first(members), choosing, units)?.backend, a)
})

test("one that refused a connection is used only when no other will do, until some time has passed", () => {
  const { attempts, choosing, members, units } = world()
  const [a, b] = members
  a.avoidUntil = 1_000
  choosing.now = 999
  const policy = first(members)
  const placed = attempts.place(policy, choosing, units)
  assert.equal(placed?.backend, b)
  const another = attempts.place(policy, choosing, units)
  assert.equal(another?.backend, a)
  assert.equal(attempts.place(policy, choosing, units), undefined)
  placed.settle("success", 0)
  another.settle("success", 0)
  choosing.now = 1_000
  assert.equal(attempts.place(policy, choosing, units)?.backend, a)
})

test("an attempt that is settled twice is a bug", () => {
  const { attempts, choosing, members, units } = world()
  const placed = attempts.place(first(members), choosing, units)!
  placed.settle("success", 0)
  assert.throws(() => placed.settle("success", 0), /settled twice/)
  assert.equal(members[0].load.inFlight, 0)
})

test("a backend refused for want of room is asked for once; one that refused a connection of late, a second time", () => {
  const { members, attempts, others, choosing, units } = world()
  const [one, other] = members
  let picks = 0
  const policy = {
    ...first(members),
    pick: (request: PickRequest) => (picks++, members.find((m) => request.admits(m))),
  }
  others.begin(one, units)
  others.begin(other, units)
  assert.equal(attempts.place(policy, choosing, units), undefined)
  assert.equal(picks, 1)
  // A full one that also refused a connection would not do either way.
  other.avoidUntil = 10
  assert.equal(attempts.place(policy, choosing, units), undefined)
  assert.equal(picks, 2)
})

test("when all that have room refused a connection of late, one of them is used at the second asking", () => {
  const { members, attempts, choosing, units } = world()
  let picks = 0
  const policy = {
    ...first(members),
    pick: (request: PickRequest) => (picks++, members.find((m) => request.admits(m))),
  }
  for (const member of members) member.avoidUntil = 10
  assert.equal(attempts.place(policy, choosing, units)?.backend, members[0])
  assert.equal(picks, 2)
})
