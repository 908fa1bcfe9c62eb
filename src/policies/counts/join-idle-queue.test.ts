import assert from "node:assert/strict"
import { test } from "node:test"
import { backends, outcome, request, type FakeBackend } from "../../../test/support/backends.ts"
import { order, unlikely, wins } from "../../../test/support/policies/picks.ts"
import type { Backend } from "../../core/backend.ts"
import { seeded } from "../../core/rng.ts"
import { JoinIdleQueue } from "./join-idle-queue.ts"

/** Picks and holds an attempt on the backend that was picked. */
function begin(policy: JoinIdleQueue, admits?: (backend: Backend) => boolean): FakeBackend {
  const picked = policy.pick(request([1, 1], admits)) as FakeBackend
  picked.load.inFlight++
  return picked
}

function settle(policy: JoinIdleQueue, backend: FakeBackend): void {
  backend.load.inFlight--
  policy.onSettled(backend, outcome())
}

test("the idle are picked in the order in which they became idle", () => {
  const members = backends(0, 0, 0)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  const [a, b, c] = [begin(policy), begin(policy), begin(policy)]
  assert.deepEqual([a, b, c], members)
  settle(policy, c)
  settle(policy, a)
  assert.equal(begin(policy), c)
  assert.equal(begin(policy), a)
})

test("while none is idle any member is picked, each as likely, whatever it carries", () => {
  const members = backends(1, 5, 90)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  assert.equal(unlikely(wins(policy, members, 30_000), [1 / 3, 1 / 3, 1 / 3]), "")
})

test("an idle backend is always found before any busy one", () => {
  const members = backends(0, 0, 0, 0, 0)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  const rng = seeded(2)
  const running: FakeBackend[] = []
  for (let i = 0; i < 5_000; i++) {
    if (running.length > 0 && rng.below(2) === 0) {
      settle(policy, running.splice(rng.below(running.length), 1)[0]!)
      continue
    }
    const anyIdle = members.some(({ load }) => load.inFlight === 0)
    const picked = begin(policy)
    assert.equal(picked.load.inFlight === 1, anyIdle)
    running.push(picked)
  }
})

test("a backend that becomes idle is in the queue once, however often it did", () => {
  const members = backends(0, 0)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  for (let i = 0; i < 5; i++) policy.onSettled(members[0]!, outcome())
  assert.equal(begin(policy), members[0])
  assert.equal(begin(policy), members[1])
})

test("a backend that another thread has loaded while it queued is not taken for idle", () => {
  const members = backends(0, 0, 0)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  members[0]!.load.inFlight = 1
  assert.equal(begin(policy), members[1])
  // It left the queue when it was found busy. That it is idle again is for the queue of the other thread.
  members[0]!.load.inFlight = 0
  assert.equal(begin(policy), members[2])
  const again = wins(policy, members, 300)
  assert.ok(
    again.every((won) => won > 50),
    `won ${again.join(", ")}`,
  )
})

test("of two threads only the one that had the last attempt has the idle backend in its queue", () => {
  const members = backends(0, 1)
  const [mine, other] = [new JoinIdleQueue(seeded(1)), new JoinIdleQueue(seeded(2))]
  for (const one of [mine, other]) one.rebuild(members)
  const first = begin(mine)
  // By chance, as none is idle any more.
  members[0]!.load.inFlight++
  settle(mine, first)
  settle(other, first)
  assert.equal(order(other, 1), "a")
  const found = wins(mine, members, 10_000)
  assert.equal(unlikely(found, [1 / 2, 1 / 2]), "")
})

test("a backend that is not admitted keeps waiting", () => {
  const members = backends(0, 0, 1)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild(members)
  assert.equal(begin(policy, ({ id }) => id !== "a").id, "b")
  assert.equal(begin(policy, ({ id }) => id === "c").id, "c")
  assert.equal(begin(policy).id, "a")
})

test("the queue outlives a change of membership: leavers leave it, idle newcomers join at the end", () => {
  const [a, b, c, d, e] = backends(0, 0, 0, 0, 3)
  const policy = new JoinIdleQueue(seeded(1))
  policy.rebuild([a!, b!, c!])
  policy.rebuild([d!, e!, c!, b!])
  assert.equal([begin(policy), begin(policy), begin(policy)].map(({ id }) => id).join(""), "bcd")
  policy.onSettled(a!, outcome())
  const left = wins(policy, [d!, e!, c!, b!], 100)
  assert.equal(
    left.reduce((sum, won) => sum + won),
    100,
  )
})
