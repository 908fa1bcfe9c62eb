import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import {
  eventually,
  startFakeRegistration,
  VirtualTime,
  type FakeRegistration,
  type FakeRegistrationOptions,
} from "../../test/support/fake-registration.ts"
import type { Rng } from "../core/rng.ts"
import { announce, type AnnounceOptions, type Announcement, type AnnouncementChange } from "./announce.ts"

const renewMs = 1_500
/** Chance that always says the same. */
const half: Rng = { next: () => 0.5, below: () => 0 }

interface Arrangement {
  readonly balancer: FakeRegistration
  readonly time: VirtualTime
  readonly changes: AnnouncementChange[]
  readonly start: (options?: Partial<AnnounceOptions>) => Announcement
}

async function arrange(t: TestContext, options: FakeRegistrationOptions = {}): Promise<Arrangement> {
  const balancer = await startFakeRegistration({ renewMs, ...options })
  t.after(() => balancer.close())
  const { url } = balancer
  const time = new VirtualTime()
  const changes: AnnouncementChange[] = []
  return {
    balancer,
    time,
    changes,
    start: (own) =>
      announce({
        balancer: url,
        id: "a",
        port: 8_080,
        capacity: { compute: 20, storage: 13 },
        timers: time,
        rng: half,
        onState: (change) => changes.push(change),
        ...own,
      }),
  }
}

/** Until the next step is planned for then: no call is under way. */
async function planned(time: VirtualTime, inMs: number): Promise<void> {
  await eventually(() => time.waits.length === 1 && time.waits[0] === inMs)
}

test("announces itself, then renews as often as the balancer says", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start({ scheme: "https", incarnation: 7, zone: "z", labels: { rack: "4" } })
  await planned(time, renewMs)

  assert.equal(announcement.state, "member")
  assert.equal(announcement.generation, 1)
  assert.deepEqual(balancer.calls[0]?.body, {
    address: ":8080",
    capacity: { compute: 20, storage: 13 },
    scheme: "https",
    incarnation: 7,
    zone: "z",
    labels: { rack: "4" },
  })

  for (let renewal = 1; renewal <= 3; renewal++) {
    time.pass(renewMs)
    await planned(time, renewMs)
  }
  assert.deepEqual(
    balancer.calls.map((call) => `${call.method} ${call.path}`),
    ["PUT /v1/backends/a", ...Array<string>(3).fill("POST /v1/backends/a/renew")],
  )
  assert.deepEqual(balancer.calls[3]?.body, { generation: 1 })
})

test("a renewal carries the report, without numbers that are none", async (t) => {
  const { balancer, time, start } = await arrange(t)
  start({ report: () => ({ utilization: { compute: 0.4, storage: NaN }, inFlight: 3 }) })
  await planned(time, renewMs)
  time.pass(renewMs)

  assert.deepEqual((await balancer.next("renew")).body, {
    generation: 1,
    utilization: { compute: 0.4 },
    inFlight: 3,
  })
})

test("a report that throws becomes a warning and costs no lease", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve))
  start({
    report: () => {
      throw new Error("division by cucumber")
    },
  })
  await planned(time, renewMs)
  time.pass(renewMs)

  assert.deepEqual((await balancer.next("renew")).body, { generation: 1 })
  assert.match((await warned).message, /division by cucumber/)
})

test("announces again at once when the balancer has forgotten", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.forget()
  time.pass(renewMs)
  await planned(time, 0)
  time.pass(0)
  await planned(time, renewMs)

  assert.equal(announcement.generation, 2)
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["member", "announcing", "member"],
  )
})

test("goes on trying while a newer instance holds the id, takes over when that has gone, and never ends its membership", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.supersede("a")
  time.pass(renewMs)
  await planned(time, 2_000)
  assert.equal(announcement.state, "superseded")
  assert.match(changes.at(-1)!.reason, /stale_generation/)

  const body = { error: { code: "stale_incarnation", message: "2 holds the lease" } }
  balancer.intercept = ({ kind }) => (kind === "announce" ? { status: 409, body } : undefined)
  // As often as a lease is renewed: it has nothing to lose that another instance could take.
  for (let i = 0; i < 20; i++) {
    time.pass(2_000)
    await planned(time, 2_000)
  }
  assert.equal(announcement.state, "superseded")
  assert.equal(changes.filter(({ state }) => state === "superseded").length, 2)

  balancer.intercept = () => undefined
  balancer.forget()
  time.pass(2_000)
  await planned(time, renewMs)
  assert.equal(announcement.state, "member")
  assert.ok(!balancer.calls.some(({ kind }) => kind === "leave"))
})

test("two instances with one id take it from each other ever more seldom", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  for (const waitMs of [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await planned(time, renewMs)
    assert.equal(announcement.state, "member")
    balancer.supersede("a")
    time.pass(renewMs)
    await planned(time, waitMs)
    time.pass(waitMs)
  }
})

test("leaving while another instance holds the id does not end its membership", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.supersede("a")
  time.pass(renewMs)
  await planned(time, 2_000)
  await announcement.drain()
  assert.equal(announcement.state, "draining")
  await announcement.leave()
  assert.deepEqual(time.waits, [])
  assert.equal(balancer.calls.length, 2)
  assert.ok(balancer.members.has("a"))
})

test("functions of the backend that reject or return nonsense become warnings at most", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const nonsense = [
    async () => Promise.reject(new Error("report")),
    () => null,
    () => ({ utilization: null }),
  ]
  let calls = 0
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve))
  start({
    report: () => nonsense[calls++ % nonsense.length]!() as never,
    onState: () => Promise.reject(new Error("state")) as never,
  })
  for (let i = 0; i < 4; i++) {
    await planned(time, renewMs)
    time.pass(renewMs)
  }
  assert.match((await warned).message, /a function given to announce threw: (report|state)/)
  assert.equal(balancer.calls.filter(({ kind }) => kind === "renew").length, 3)
})

test("waits for a balancer that is down at the start, ever longer up to 2.5 s on average", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  const { port } = balancer
  await balancer.close()
  const announcement = start()

  // Full jitter with chance 0.5: half of 250 ms doubled each time, at most half of 5 s.
  for (const waitMs of [125, 250, 500, 1_000, 2_000, 2_500, 2_500]) {
    await planned(time, waitMs)
    time.pass(waitMs)
  }
  await planned(time, 2_500)
  assert.equal(announcement.state, "unreachable")
  assert.match(changes[0]!.reason, /ECONNREFUSED/)

  const back = await startFakeRegistration({ port, renewMs })
  t.after(() => back.close())
  time.pass(2_500)
  await planned(time, renewMs)
  assert.equal(announcement.state, "member")
})

test("goes on renewing the same lease after errors, and its patience starts anew", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  start()
  await planned(time, renewMs)
  balancer.intercept = () => ({ status: 503, body: "busy" })
  time.pass(renewMs)
  await planned(time, 125)
  time.pass(125)
  await planned(time, 250)
  balancer.intercept = () => undefined
  time.pass(250)
  await planned(time, renewMs)
  balancer.intercept = () => ({ status: 500 })
  time.pass(renewMs)
  await planned(time, 125)

  assert.deepEqual(
    changes.map(({ state, generation }) => `${state} ${generation}`),
    ["member 1", "unreachable 1", "member 1", "unreachable 1"],
  )
})

for (const status of [408, 425, 429, 500, 503]) {
  test(`takes ${status} for something that passes`, async (t) => {
    const { balancer, time, start } = await arrange(t)
    balancer.intercept = () => ({ status })
    const announcement = start()
    await planned(time, 125)

    assert.equal(announcement.state, "unreachable")
  })
}

test("does not carry its token elsewhere when it is sent away", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  const elsewhere = await startFakeRegistration()
  t.after(() => elsewhere.close())
  balancer.intercept = ({ path }) => ({ status: 307, location: elsewhere.url + path })
  start({ token: "secret" })
  await planned(time, 30_000)

  assert.match(changes[0]!.reason, /responded to announce with 307/)
  assert.deepEqual(elsewhere.calls, [])
})

test("gives a balancer that does not respond 3 s", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  balancer.intercept = () => "silence"
  start()
  await balancer.next("announce")
  time.pass(3_000)
  await planned(time, 125)

  assert.match(changes[0]!.reason, /too long/)
})

test("reads no more than 64 KiB of a response", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  balancer.intercept = () => ({ status: 200, body: "x".repeat(70_000) })
  start()
  await planned(time, 125)

  assert.match(changes[0]!.reason, /longer than 65536 bytes/)
})

for (const status of [301, 400, 401, 403, 404, 413, 415]) {
  test(`says what is wrong after ${status} to its announcement, and asks again every 30 s`, async (t) => {
    const { balancer, time, changes, start } = await arrange(t)
    balancer.intercept = () => ({ status, body: { error: { code: "wrong", message: "mend it" } } })
    const announcement = start()
    await planned(time, 30_000)

    assert.equal(announcement.state, "refused")
    assert.match(changes[0]!.reason, new RegExp(`announce with ${status} wrong: mend it`))

    balancer.intercept = () => undefined
    time.pass(30_000)
    await planned(time, renewMs)
    assert.equal(announcement.state, "member")
  })
}

test("a response that is no lease is refused: some other server listens there", async (t) => {
  const { balancer, time, changes, start } = await arrange(t)
  balancer.intercept = () => ({ status: 200, body: "<h1>Welcome</h1>" })
  start()
  await planned(time, 30_000)

  assert.match(changes[0]!.reason, /is this the registration port/)
})

test("without a listener, a refusal becomes a process warning", async (t) => {
  const { balancer, time } = await arrange(t, { token: "secret" })
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve))
  announce({ balancer: balancer.url, id: "a", port: 1, capacity: { compute: 1 }, timers: time })

  assert.match((await warned).message, /401 unauthorized: a token is needed/)
})

test("sends its token with every call", async (t) => {
  const { balancer, time, start } = await arrange(t, { token: "secret" })
  const announcement = start({ token: "secret" })
  await planned(time, renewMs)
  time.pass(renewMs)
  await planned(time, renewMs)
  await announcement.drain()
  await announcement.leave()

  assert.deepEqual(
    balancer.calls.map(({ kind, authorization }) => `${kind} ${authorization}`),
    ["announce", "renew", "drain", "leave"].map((kind) => `${kind} Bearer secret`),
  )
})

test("drains under its generation and keeps the lease while requests finish", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  await announcement.drain()

  assert.equal(announcement.state, "draining")
  assert.equal(balancer.calls.at(-1)?.kind, "drain")
  assert.deepEqual(balancer.calls.at(-1)?.body, { generation: 1 })
  time.pass(renewMs)
  await planned(time, renewMs)
  assert.equal(balancer.calls.at(-1)?.kind, "renew")
  assert.equal(announcement.state, "draining")
})

test("repeats the wish to drain until it is heard", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.intercept = () => ({ status: 503 })
  await announcement.drain()
  await planned(time, 125)
  balancer.intercept = () => undefined
  time.pass(125)
  await planned(time, renewMs)

  assert.equal(announcement.state, "draining")
  assert.deepEqual(
    balancer.calls.map(({ kind }) => kind),
    ["announce", "drain", "drain"],
  )
})

test("does not announce again while it drains: being forgotten is what it wants", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  await announcement.drain()
  balancer.forget()
  time.pass(renewMs)
  await planned(time, 0)
  time.pass(0)
  await eventually(() => time.waits.length === 0)

  assert.equal(announcement.state, "draining")
  assert.equal(balancer.members.size, 0)
})

test("leaves under its generation, once, and then is silent", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  await Promise.all([announcement.leave(), announcement.leave()])

  assert.equal(announcement.state, "left")
  assert.deepEqual(time.waits, [])
  assert.deepEqual(
    balancer.calls.map(({ kind }) => kind),
    ["announce", "leave"],
  )
  assert.deepEqual(balancer.calls[1]?.body, { generation: 1 })
  assert.equal(balancer.members.size, 0)
})

test("leaves even when the announcement was still under way", async (t) => {
  const { balancer, start } = await arrange(t)
  const announcement = start()
  await balancer.next("announce")
  assert.equal(balancer.members.size, 1)
  await announcement.leave()

  assert.equal(balancer.members.size, 0)
  assert.equal(announcement.state, "left")
})

test("leaves without a word before it has announced anything", async (t) => {
  const { balancer, time, start } = await arrange(t)
  await start().leave()

  assert.deepEqual(balancer.calls, [])
  assert.deepEqual(time.waits, [])
})

test("leaving a balancer that does not respond takes 2 s, not longer", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.intercept = () => "silence"
  const asked = balancer.next("leave")
  const left = announcement.leave()
  await asked
  time.pass(2_000)

  await left
  assert.equal(announcement.state, "left")
  await eventually(() => time.waits.length === 0)
})

test("nothing is sent any more once leaving has taken its 2 s", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  balancer.intercept = () => "silence"
  const renewing = balancer.next("renew")
  time.pass(renewMs)
  await renewing
  const left = announcement.leave()
  time.pass(2_000)
  await left
  // Long enough for what must not come.
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(time.waits, [])

  assert.deepEqual(
    balancer.calls.map(({ kind }) => kind),
    ["announce", "renew"],
  )
})

test("leaving a balancer that is gone works at once", async (t) => {
  const { balancer, time, start } = await arrange(t)
  const announcement = start()
  await planned(time, renewMs)
  await balancer.close()
  await announcement.leave()

  assert.equal(announcement.state, "left")
  assert.deepEqual(time.waits, [])
})

test("refuses options that can never work", () => {
  const valid = { balancer: "http://127.0.0.1:1", id: "a", port: 1, capacity: {} }
  assert.throws(() => announce({ ...valid, balancer: "127.0.0.1:9797" }), /http or https URL/)
  assert.throws(() => announce({ ...valid, id: "a/b" }), /an id is/)
  assert.throws(() => announce({ balancer: valid.balancer, id: "a", capacity: {} }), /a port or an address/)
})
