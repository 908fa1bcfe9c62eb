import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../test/support/backends.ts"
import { type FakeRequest, membersOf, placingWorld, type PlacingWorld } from "../../test/support/placing.ts"
import { type Backend, parseBackendId } from "../core/backend.ts"
import { nothingKnown } from "../core/knowledge.ts"
import { loadReport } from "../learning/load-report.ts"
import type { Member } from "../membership/snapshot.ts"
import type { Outcome, PickRequest, Policy } from "../policies/policy.ts"
import { LoadTable } from "./load-table.ts"

/** The first that is admitted, and what it was told; `between` choosing and reserving others do something. */
class First implements Policy {
  readonly name = "first"
  readonly begun: string[] = []
  readonly told: string[] = []
  readonly outcomes: Outcome[] = []
  members: readonly Backend[] = []
  picks = 0
  between: (picked: Backend) => void = () => {}

  rebuild(members: readonly Backend[]): void {
    this.members = members
    this.told.push(`rebuild ${members.map(({ capacity, id }) => `${id}:${capacity.join(",")}`).join(" ")}`)
  }

  learn(): void {
    this.told.push("learn")
  }

  pick(request: PickRequest): Backend | undefined {
    this.picks++
    const picked = this.members.find((member) => request.admits(member))
    if (picked !== undefined) this.between(picked)
    return picked
  }

  onBegun({ id, load }: Backend): void {
    this.begun.push(`${id}: ${load.inFlight}`)
  }

  onSettled(backend: Backend, outcome: Outcome): void {
    this.told.push(`settled ${backend.id}: ${backend.load.inFlight}`)
    this.outcomes.push({ ...outcome })
  }

  onReport(backend: Backend): void {
    this.told.push(`report ${backend.id}`)
  }
}

/** Backends with room for one request each, as many as there are members. */
function full(count = 2): PlacingWorld & { readonly policy: First } {
  const policy = new First()
  const world = placingWorld(policy)
  world.apply(membersOf(...Array.from({ length: count }, () => [1])))
  return { ...world, policy }
}

/** Takes room on this backend as another thread does; gives it back when called. */
function elsewhere({ table }: PlacingWorld, slot: number): () => void {
  const units = new Int32Array(1)
  table.toUnits(Float64Array.of(1), units)
  assert.ok(table.acquire(slot, units, units, 1))
  return () => table.release(slot, units, 1)
}

function avoided({ placer, request }: PlacingWorld): void {
  const one = request()
  assert.equal(one.place(), "placed")
  placer.refused(one.placement, 0)
  placer.settle(one.placement, "failure", 0)
}

// ── choosing and reserving ────────────────────────────────────────────────────────────────────────────────────

test("a backend that another thread fills between choosing and reserving is passed over", () => {
  const world = full()
  const { policy, request } = world
  policy.between = ({ id }) => {
    if (id === "b0") elsewhere(world, 0)
  }
  const one = request()
  assert.equal(one.place(), "placed")
  assert.equal(one.on, "b1")
  assert.deepEqual(policy.begun, ["b1: 1"])
})

test("a backend that had no room is not asked again for one request, and is for the next", () => {
  const world = full()
  const { placer, policy, request } = world
  let giveBack: (() => void) | undefined = elsewhere(world, 0)
  // Whenever it is looked at it has room, and none when it comes to reserving.
  policy.pick = (asking) => {
    policy.picks++
    giveBack?.()
    const [a, b] = policy.members
    const isAdmitted = asking.admits(a!)
    giveBack = elsewhere(world, 0)
    return isAdmitted ? a : asking.admits(b!) ? b : undefined
  }
  const one = request()
  one.place()
  assert.deepEqual([one.on, policy.picks], ["b1", 2])
  placer.settle(one.placement, "complete", 0)
  giveBack()
  policy.pick = First.prototype.pick.bind(policy)
  const next = request()
  next.place()
  assert.equal(next.on, "b0")
})

test("one that refused a connection is used only when no other will do, until some time has passed", () => {
  const world = full()
  const { placer, request } = world
  avoided(world)
  const [one, other, third] = [request(), request(), request()]
  one.place(999)
  other.place(999)
  assert.deepEqual([one.on, other.on, third.place(999)], ["b1", "b0", "waits"])
  placer.settle(one.placement, "complete", 999)
  placer.settle(other.placement, "complete", 999)
  placer.leave(third.placement)
  third.place(1_000)
  assert.equal(third.on, "b0")
})

test("a backend refused for want of room is asked for once; one that refused a connection of late, a second time", () => {
  const world = full()
  const { policy, request } = world
  avoided(world)
  policy.picks = 0
  const back = [elsewhere(world, 0), elsewhere(world, 1)]
  // A full one that also refused a connection would not do either way.
  assert.equal(request().place(), "waits")
  assert.equal(policy.picks, 1)
  for (const giveBack of back) giveBack()
  elsewhere(world, 1)
  const one = request()
  one.place()
  assert.deepEqual([one.on, policy.picks], ["b0", 3])
})

test("a policy that insists on a backend without room places nothing, and comes to an end", () => {
  const world = full(1)
  world.policy.pick = () => world.policy.members[0]
  assert.equal(world.request().place(), "placed")
  assert.equal(world.request().place(), "waits")
})

test("the backend that a request prefers has it before the policy is asked, if it admits it", () => {
  const { group, policy, request } = full()
  const [one, other] = [request(), request()]
  one.preferred = other.preferred = group.eligible[1]
  one.place()
  other.place()
  assert.deepEqual([one.on, other.on, policy.picks], ["b1", "b0", 1])
})

test("where no site has room some may be made, and then it is looked at again", () => {
  const { group, placer, policy, request, sites } = full(1)
  const { site } = group.eligible[0]!
  site.hasRoom = false
  const waits = request()
  assert.deepEqual([waits.place(), policy.picks], ["waits", 1])
  sites.makeRoom = () => (site.hasRoom = true)
  placer.serve(0)
  assert.deepEqual([waits.on, policy.picks], ["b0", 3])
})

test("of a rate of which the table can hold no more a request reserves nothing, and gives back exactly that", () => {
  const policy = new First()
  const world = placingWorld(policy, { resources: resourcesOf("rate") })
  world.apply(membersOf([1]))
  const [one, other] = [world.request([2 ** 20]), world.request([2 ** 20])]
  one.place()
  other.place()
  assert.equal(policy.members[0]!.load.inFlight, 2)
  assert.equal(policy.members[0]!.load.reserved(0), 2 ** 20)
  world.placer.settle(other.placement, "complete", 0)
  assert.equal(policy.members[0]!.load.reserved(0), 2 ** 20)
  world.placer.settle(one.placement, "complete", 0)
  assert.ok(world.table.isIdle(0))
})

// ── why not ───────────────────────────────────────────────────────────────────────────────────────────────────

test("a request is told why it is not placed: no backend, none that could hold it, a full queue", () => {
  const empty = placingWorld(new First())
  assert.equal(empty.request().arrive(), "no_backend")
  const world = placingWorld(new First(), {}, { queueMax: 1 })
  world.apply(membersOf([2]))
  assert.equal(world.request([3]).arrive(), "no_backend_fits")
  assert.deepEqual(
    [2, 2, 2, 3].map((amount) => world.request([amount]).arrive()),
    ["placed", "waits", "queue_full", "no_backend_fits"],
  )
})

test("just after the start requests wait for the first backend, and not for one that has left", () => {
  const world = placingWorld(new First(), { firstUntil: 500 })
  const one = world.request()
  assert.equal(one.arrive(499), "waits")
  assert.equal(world.request().place(500), "no_backend")
  world.apply(membersOf([1]), 499)
  world.placer.serve(499)
  assert.equal(one.on, "b0")
  world.apply([], 499)
  assert.equal(world.request().place(499), "no_backend")
})

// ── tried again ───────────────────────────────────────────────────────────────────────────────────────────────

/** Fails the attempt that runs; whether another is to follow. */
function fails({ placer }: PlacingWorld, { placement }: FakeRequest): boolean {
  const retries = placer.retry(placement)
  placer.settle(placement, "failure", 0)
  return retries
}

test("a request is tried so many times, each time elsewhere, and does not wait between", () => {
  const policy = new First()
  const world = placingWorld(policy)
  world.apply(membersOf([1], [1], [1], [1]))
  const one = world.request()
  const on: (string | undefined)[] = []
  do {
    assert.equal(one.place(), "placed")
    on.push(one.on)
  } while (fails(world, one))
  assert.deepEqual(on, ["b0", "b1", "b2"])

  const other = world.request()
  world.apply(membersOf([1]))
  other.place()
  assert.ok(fails(world, other))
  assert.equal(other.place(), "no_backend")
  assert.equal(world.group.queue.length, 0)
})

test("tried is a process: not what it is with another weight, but what is started anew in its place", () => {
  const world = placingWorld(new First())
  const [member] = membersOf([1]) as [Member]
  world.apply([member])
  const one = world.request()
  one.place()
  assert.ok(fails(world, one))
  world.apply([{ ...member, weight: 2 }])
  assert.equal(one.place(), "no_backend")
  world.apply([{ ...member, generation: 2 }])
  assert.equal(one.place(), "placed")
})

test("the next request of the same owner has tried nothing", () => {
  const world = full(1)
  const one = world.request()
  one.place()
  assert.ok(fails(world, one))
  one.begin()
  assert.equal(one.place(), "placed")
  assert.equal(one.placement.attempts, 1)
})

// ── what is told of an attempt ────────────────────────────────────────────────────────────────────────────────

/** One attempt of route 3, begun at 100, with what happens to it; what policy and observer were told. */
function told(happens: (world: PlacingWorld, one: FakeRequest) => void): {
  readonly outcome: Outcome
  readonly seen: readonly unknown[]
  readonly policy: First
} {
  const policy = new First()
  const seen: unknown[] = []
  const world = placingWorld(policy, {
    observer: {
      settled: (slot, route, { result }) => void seen.push(["settled", slot, route, result]),
      load: (slot) => void seen.push(["load", slot]),
      cost: (slot, route, cost, bodyBytes) => void seen.push(["cost", slot, route, [...cost], bodyBytes]),
    },
    onSettled: () => void seen.push("room"),
  })
  world.apply(membersOf([1]))
  const one = world.request([1], 3)
  one.place(100)
  happens(world, one)
  assert.ok(world.table.isIdle(0))
  return { outcome: policy.outcomes[0]!, seen, policy }
}

test("a whole response is a success or a failure by its status, with the times of its begin and its end", () => {
  for (const [status, result] of [
    [200, "success"],
    [404, "success"],
    [500, "failure"],
  ] as const) {
    const { outcome, policy, seen } = told(({ placer }, { placement }) => {
      placement.responded(status, 130)
      assert.equal(placer.settle(placement, "complete", 170), result)
    })
    const expected = {
      result,
      status,
      firstByteMs: 30,
      totalMs: 70,
      retryAfterMs: NaN,
      route: 3,
      isExact: true,
    }
    assert.deepEqual(outcome, expected)
    assert.deepEqual(seen, [["settled", 0, 3, result], "room"])
    // It has given back what it held by then.
    assert.ok(policy.told.includes("settled b0: 0"))
  }
})

test("an attempt that was cut has the status that it had shown, and one that was ignored says so", () => {
  const cut = told(({ placer }, { placement }) => {
    placement.responded(200, 130, 7_000)
    placer.settle(placement, "failure", 170)
  })
  assert.deepEqual(
    [cut.outcome.result, cut.outcome.status, cut.outcome.retryAfterMs],
    ["failure", 200, 7_000],
  )
  const silent = told(({ placer }, { placement }) => void placer.settle(placement, "ignored", 170))
  assert.deepEqual(
    [silent.outcome.result, silent.outcome.status, silent.outcome.firstByteMs, silent.outcome.totalMs],
    ["ignored", 0, NaN, 70],
  )
})

test("how long a tunnel was open does not count as time of its attempt", () => {
  const { outcome } = told(({ placer }, { placement }) => {
    placement.responded(101, 130)
    placer.settle(placement, "complete", 90_000)
  })
  assert.deepEqual([outcome.result, outcome.firstByteMs, outcome.totalMs], ["success", 30, 30])
})

test("nothing of one attempt is left over for the next", () => {
  const { policy } = told((world, one) => {
    one.placement.responded(503, 130, 7_000)
    world.placer.report(one.placement, loadReport(world.resources, { requestCost: Float64Array.of(5) }), 130)
    world.placer.settle(one.placement, "complete", 170)
    one.begin()
    one.place(200)
    assert.equal(one.placement.cost, undefined)
    world.placer.settle(one.placement, "failure", 210)
  })
  const { status, firstByteMs, totalMs, retryAfterMs } = policy.outcomes[1]!
  assert.deepEqual([status, firstByteMs, totalMs, retryAfterMs], [0, NaN, 10, NaN])
})

test("load counts with each report, cost once: of what is said twice, what is said last", () => {
  const { policy, seen } = told((world, one) => {
    const { placer, resources } = world
    const report = (requestCost: number): void => {
      placer.report(one.placement, loadReport(resources, { requestCost: Float64Array.of(requestCost) }), 130)
    }
    report(5)
    report(NaN)
    report(6)
    report(NaN)
    placer.settle(one.placement, "complete", 170, 12)
    // Too late.
    report(7)
  })
  assert.deepEqual(seen, [
    ["load", 0],
    ["load", 0],
    ["load", 0],
    ["load", 0],
    ["settled", 0, 3, "success"],
    ["cost", 0, 3, [6], 12],
    "room",
  ])
  assert.equal(policy.told.filter((line) => line === "report b0").length, 4)
})

test("an attempt that is settled twice is a bug", () => {
  const { placer, policy, request } = full()
  const one = request()
  one.place()
  placer.settle(one.placement, "complete", 0)
  assert.throws(() => placer.settle(one.placement, "complete", 0), /settled twice/)
  assert.equal(policy.members[0]!.load.inFlight, 0)
})

// ── members ───────────────────────────────────────────────────────────────────────────────────────────────────

test("sites are retired when their process has gone, and close what is idle when it is ejected", () => {
  const { apply, group } = placingWorld(new First())
  const [one, other] = membersOf([1], [1]) as [Member, Member]
  apply([one, other])
  const [a, b] = group.eligible.map(({ site }) => site)
  apply([
    { ...one, weight: 3 },
    { ...other, state: "ejected" },
  ])
  assert.deepEqual([a!.told, b!.told], [[], ["closeIdle"]])
  assert.equal(group.eligible[0]!.site, a)
  apply([{ ...one, generation: 2 }])
  assert.deepEqual([a!.told, b!.told], [["retire"], ["closeIdle", "retire"]])
})

test("a backend is eligible since it may be chosen, those of the start since ever, and a new weight changes nothing", () => {
  const { apply, group } = placingWorld(new First())
  const [one, other] = membersOf([1], [1]) as [Member, Member]
  const since = (): number[] => group.eligible.map(({ eligibleSince }) => eligibleSince)
  apply([one], 5)
  apply([one, other], 10)
  assert.deepEqual(since(), [-Infinity, 10])
  apply([one, { ...other, weight: 2 }], 20)
  assert.deepEqual(since(), [-Infinity, 10])
  apply(
    [
      { ...one, generation: 2 },
      { ...other, state: "draining" },
    ],
    30,
  )
  assert.deepEqual(since(), [30])
})

test("the tier of a backend is in its label, if that is a number", () => {
  const { apply, group } = placingWorld(new First())
  const [one] = membersOf([1]) as [Member]
  const tiers = ["2", "x", "1000", ""].map((tier) => {
    apply([{ ...one, labels: { tier } }])
    return group.eligible[0]!.tier
  })
  assert.deepEqual(tiers, [2, 0, 0, 0])
})

test("a corrected capacity is told to the policy, of rates only, and taken back with the knowledge", () => {
  const policy = new First()
  const world = placingWorld(policy, { resources: resourcesOf("rate", "space") })
  world.apply(membersOf([4, 8]))
  const before = policy.members[0]!.capacity
  const capacities = new Map([[parseBackendId("b0")!, Float64Array.of(2, 2)]])
  policy.told.length = 0
  world.placer.learn({ ...nothingKnown, capacities })
  world.placer.learn({ ...nothingKnown, capacities })
  world.placer.learn(nothingKnown)
  assert.deepEqual(policy.told, ["learn", "rebuild b0:2,8", "learn", "learn", "rebuild b0:4,8"])
  // What an attempt holds on to stays as it was.
  assert.deepEqual([...before], [4, 8])
})

test("groups of one pool have one queue, a group that stays keeps its policy, and another learns what is known", () => {
  const [one, other] = [new First(), new First()]
  const { apply, group, placer } = placingWorld(one)
  apply(membersOf([1]))
  const match = { labels: {}, zone: undefined, ids: ["b9"] }
  const second = placer.makeGroup("", { match, policy: other, isExact: false })
  one.told.length = 0
  placer.regroup([second, group])
  assert.deepEqual([one.told, other.told], [[], ["learn", "rebuild "]])
  assert.equal(second.queue, group.queue)
  assert.notEqual(placer.makeGroup("another", { match, policy: other, isExact: false }).queue, group.queue)
})

test("a pool without serving members has its suspects", () => {
  const policy = new First()
  const { apply, placer } = placingWorld(new First())
  const match = { labels: { color: "blue" }, zone: undefined, ids: undefined }
  placer.regroup([placer.makeGroup("blue", { match, policy, isExact: true })])
  const [red, blue] = membersOf([1], [1]) as [Member, Member]
  const labels = { color: "blue" }
  apply([red, { ...blue, labels }])
  apply([red, { ...blue, labels, state: "suspect" }])
  apply([red, { ...blue, labels, state: "draining" }])
  assert.deepEqual(policy.told.slice(-3), ["rebuild b1:1", "rebuild b1:1", "rebuild "])
})

// ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A backend that is full, and requests that wait for it, of these routes. */
function waiting(...routes: readonly number[]) {
  const world = full(1)
  const holder = world.request()
  holder.arrive()
  const waits = routes.map((route) => world.request([1], route))
  for (const one of waits) assert.equal(one.arrive(), "waits")
  const free = (): void => void world.placer.settle(holder.placement, "complete", 0)
  return { ...world, free, waits }
}

test("of one route room goes to the request that has waited longest, and none passes one that does not fit", () => {
  const { free, placer, waits } = waiting(0, 0)
  placer.serve(0)
  assert.deepEqual(
    waits.map(({ turns }) => turns),
    [2, 0],
  )
  free()
  placer.serve(0)
  assert.deepEqual(
    waits.map(({ on }) => on),
    ["b0", undefined],
  )
})

test("of routes that have nothing in flight, be it no more or not yet, the request that came first is next", () => {
  const { free, placer, waits } = waiting(1, 2)
  free()
  placer.serve(0)
  assert.deepEqual(
    waits.map(({ on }) => on),
    ["b0", undefined],
  )
})

test("a request that has come asks only for itself, and not past one of its route", () => {
  const { placer, request, waits } = waiting(0)
  placer.serve(0)
  const [same, other] = [request([1], 0), request([1], 1)]
  same.arrive()
  other.arrive()
  assert.deepEqual([waits[0]!.turns, same.turns, other.turns], [1, 0, 1])
})

test("a request that has waited for too long is given up, and those behind it get their turn", () => {
  const { free, group, placer, request } = waiting()
  const [late, next] = [request(), request()]
  late.arrive(0)
  next.arrive(100)
  free()
  placer.serve(1_000)
  assert.deepEqual([late.givenUp, next.givenUp, next.on], ["queue_timeout", undefined, "b0"])
  assert.equal(group.queue.length, 0)
})

test("one that leaves makes place, also from within another's turn, and no other is forgotten", () => {
  const { group, placer, waits } = waiting(0, 0, 0)
  const [first, gone, last] = waits as [FakeRequest, FakeRequest, FakeRequest]
  first.onTurn = () => {
    placer.leave(gone.placement)
    return true
  }
  placer.serve(0)
  assert.equal(group.queue.length, 1)
  placer.serve(1_000)
  assert.deepEqual([gone.givenUp, last.givenUp], [undefined, "queue_timeout"])
})

test("giving up empties the queue with the reason", () => {
  const { group, placer, waits } = waiting(0, 1)
  placer.giveUp("shutting_down")
  assert.deepEqual(
    waits.map(({ givenUp }) => givenUp),
    ["shutting_down", "shutting_down"],
  )
  assert.equal(group.queue.length, 0)
  assert.ok(!placer.hasWaiting)
})

test("an owner that is served at once and waits again, with its next request, keeps the place and time of that one", () => {
  const { free, group, placer, request, waits } = waiting(0)
  const [client] = waits as [FakeRequest]
  client.onTurn = () => {
    // The first request is served and ends at once; the next one begins in that moment, and finds no room.
    if (client.turns > 1) return client.place(1_500) !== "waits"
    free()
    assert.equal(client.place(500), "placed")
    placer.settle(client.placement, "complete", 500)
    assert.equal(request().place(500), "placed")
    client.begin()
    client.arrive(1_000)
    return true
  }
  placer.serve(500)
  assert.equal(client.turns, 2, "each request had one turn")
  assert.equal(group.queue.length, 1)
  placer.serve(1_500)
  assert.equal(client.givenUp, undefined)
  placer.serve(2_000)
  assert.equal(client.givenUp, "queue_timeout")
  assert.equal(group.queue.length, 0)
})

test("one that gets another group while it waits goes to the queue of that, and waits no longer for it", () => {
  const { group, placer, request, waits } = waiting(0)
  const [moved] = waits as [FakeRequest]
  const policy = new First()
  const other = placer.makeGroup("other", { match: undefined, policy, isExact: true })
  placer.regroup([group, other])
  moved.placement.group = other
  placer.serve(500)
  assert.deepEqual([group.queue.length, other.queue.length, moved.placement.waitsUntil], [0, 1, 1_000])
  const newer = request()
  newer.placement.group = other
  newer.arrive(500)
  placer.serve(1_000)
  assert.deepEqual([moved.givenUp, newer.givenUp], ["queue_timeout", undefined])
})

test("in a full queue the client with most places gives up its last to one that has fewer", () => {
  const world = placingWorld(new First(), {}, { queueMax: 4 })
  world.apply(membersOf([1]))
  world.request().arrive()
  const from = (client: string): FakeRequest => {
    const one = world.request([1], 0, client)
    one.arrive()
    return one
  }
  const greedy = Array.from({ length: 5 }, () => from("greedy"))
  const others = ["a", "b"].map(from)
  assert.deepEqual(
    greedy.map(({ givenUp, verdict }) => givenUp ?? verdict),
    ["waits", "waits", "queue_full", "queue_full", "queue_full"],
  )
  assert.deepEqual(
    [greedy[4]!.givenUp, others[0]!.verdict, others[1]!.verdict],
    [undefined, "waits", "waits"],
  )
  // Each of the three has one or two now: none would be better off.
  assert.equal(from("a").verdict, "queue_full")
  assert.equal(from("greedy").verdict, "queue_full")
  assert.equal(from("c").verdict, "waits")
  assert.equal(greedy[1]!.givenUp, "queue_full")
  assert.equal(from("d").verdict, "queue_full")
  assert.equal(world.group.queue.length, 4)
})

// ── accounts ──────────────────────────────────────────────────────────────────────────────────────────────────

test("two placers on one table see what the other holds", () => {
  const resources = resourcesOf("space")
  const table = LoadTable.create(resources, 16, 2)
  const [one, other] = [0, 1].map((worker) => placingWorld(new First(), { resources, table, worker }))
  for (const world of [one!, other!]) world.apply(membersOf([1]))
  const held = one!.request()
  held.arrive()
  const waits = other!.request()
  assert.equal(waits.arrive(), "waits")
  one!.placer.settle(held.placement, "complete", 0)
  other!.placer.serve(0)
  assert.equal(waits.on, "b0")
})
