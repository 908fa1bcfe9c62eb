import assert from "node:assert/strict"
import { test } from "node:test"
import { VirtualClock } from "../../test/support/virtual-clock.ts"
import { Histogram } from "../metrics/histogram.ts"
import { seeded } from "../core/rng.ts"
import type { Channel, ChannelOwner, Dial, SpamError } from "./channel.ts"
import { Generator, type GeneratorOptions } from "./generator.ts"
import { LoadRecorder, type Records } from "./recorder.ts"
import { PreparedRequests } from "./requests.ts"
import { type Phase, Schedule } from "./schedule.ts"

/** How the target behaves: when it ends a request that has come at `now`; undefined is never. */
type Serve = (now: number, request: number) => number | undefined

type Cuts = (request: number) => { readonly error: SpamError; readonly stale: boolean } | undefined

interface TargetOptions {
  readonly serve: Serve
  /** Opens connections at this time; undefined never does. */
  readonly opensAfterMs?: number | undefined
  readonly refuses?: boolean
  /** Closes a connection behind this many responses. */
  readonly closesAfter?: number
  /** Cuts the connection instead of responding to this request. */
  readonly cuts?: Cuts
}

/** A target in virtual time. */
class Target {
  readonly clock = new VirtualClock()
  readonly options: TargetOptions
  received = 0
  opened = 0
  open = 0
  openMax = 0

  constructor(options: TargetOptions) {
    this.options = options
  }

  readonly dial: Dial = (owner) => {
    const channel = new FakeChannel(this, owner)
    this.opened++
    const { opensAfterMs = 0, refuses = false } = this.options
    if (refuses) this.clock.set(0, () => channel.fail("connect_refused", false))
    else if ("opensAfterMs" in this.options && this.options.opensAfterMs === undefined) return channel
    else this.clock.set(opensAfterMs, () => channel.opened())
    return channel
  }
}

class FakeChannel implements Channel {
  readonly #target: Target
  readonly #owner: ChannelOwner<Channel>
  #answers = 0
  #ended = false
  #isOpen = false

  constructor(target: Target, owner: ChannelOwner<Channel>) {
    this.#target = target
    this.#owner = owner
  }

  opened(): void {
    if (this.#ended) return
    this.#isOpen = true
    this.#target.open++
    this.#target.openMax = Math.max(this.#target.openMax, this.#target.open)
    this.#owner.onOpen(this)
  }

  send(): void {
    const { clock, options } = this.#target
    const request = this.#target.received++
    const cut = options.cuts?.(request)
    if (cut !== undefined) {
      clock.set(0, () => this.fail(cut.error, cut.stale))
      return
    }
    const at = options.serve(clock.now(), request)
    if (at === undefined) return
    clock.set(at - clock.now(), () => {
      if (this.#ended) return
      const keeps = ++this.#answers < (options.closesAfter ?? Infinity)
      if (!keeps) this.#end()
      this.#owner.onAnswer(this, 200, 100, "a", keeps)
    })
  }

  fail(error: SpamError, stale: boolean): void {
    if (this.#ended) return
    this.#end()
    this.#owner.onFailed(this, error, "", stale)
  }

  destroy(): void {
    this.#end()
  }

  #end(): void {
    if (!this.#ended && this.#isOpen) this.#target.open--
    this.#ended = true
  }
}

interface RunOptions extends Partial<GeneratorOptions> {
  readonly phases?: readonly Phase[]
  readonly poisson?: number
  readonly warmUpMs?: number
  /** When it is told to stop. */
  readonly stopAt?: number
}

function nothing(): void {}

async function run(
  options: TargetOptions,
  given: RunOptions = {},
): Promise<Records & { target: Target; endedAt: number }> {
  const target = new Target(options)
  const { clock } = target
  const { phases, poisson, warmUpMs = 0, stopAt, ...more } = given
  const recorder = new LoadRecorder({ classes: 1, warmUpMs, sliceMs: 1_000, failedFrom: Infinity })
  const requests = new PreparedRequests(
    [{ name: "a", method: "GET", path: "/", fields: [], body: undefined, weight: 1 }],
    "x",
    seeded(1),
  )
  let forget: () => void = nothing
  const generator = new Generator({
    clock,
    timers: clock,
    pacer: {
      wakeAt: (at, fn) => {
        forget()
        forget = clock.set(Math.max(0, at - clock.now()), fn)
      },
      stop: () => forget(),
    },
    dial: target.dial,
    requests,
    recorder,
    connections: 10,
    timeoutMs: 30_000,
    durationMs: phases === undefined ? 5_000 : Schedule.lengthOf(phases),
    requestsMax: Infinity,
    schedule:
      phases === undefined
        ? undefined
        : new Schedule(phases, 1, 0, poisson === undefined ? undefined : seeded(poisson)),
    waitingMax: 10_000,
    ...more,
  })
  if (stopAt !== undefined) clock.set(stopAt, () => generator.stop())
  let endedAt = NaN
  const ended = generator.run(0).then(() => (endedAt = clock.now()))
  await clock.run()
  await ended
  return { ...recorder.dump(), target, endedAt }
}

/** These requests meet a connection that had been closed while it was idle. */
const cutsOff = (...requests: readonly number[]): Cuts => {
  return (request) => (requests.includes(request) ? { error: "closed_early", stale: true } : undefined)
}
const steady = (perSecond: number, ms: number): readonly Phase[] => [{ from: perSecond, to: perSecond, ms }]
const failures = (records: Records): number => Object.values(records.errors).reduce((sum, n) => sum + n, 0)

/** Responds at once, but stands still for the second second: a request that comes then gets its response at its end. */
const stalls: Serve = (now) => (now >= 2_000 && now < 3_000 ? 3_000 : now)

test("a stall of a second at 100 requests per second: the percentiles are the analytic truth", async () => {
  const records = await run({ serve: stalls }, { phases: steady(100, 5_000) })
  const latency = Histogram.from(records.fromIntended)
  // 500 requests, 100 of them due in the stall at 10 ms distances: they wait 1000, 990, … 10 ms. The n-th largest is
  // 1000 − 10(n−1), so the quantile p has 500(1−p) requests above it.
  assert.equal(latency.count, 500)
  assert.ok(latency.quantile(0.5) < 0.001)
  for (const [part, expected] of [
    [0.9, 500],
    [0.95, 750],
    [0.975, 870],
    [0.99, 950],
    [1, 1_000],
  ] as const) {
    const actual = latency.quantile(part)
    assert.ok(
      Math.abs(actual - expected) <= 0.02 * expected,
      `p${part * 100} is ${actual}, the truth ${expected}`,
    )
  }
})

test("seen from the real time of sending, only the requests that hang see the stall", async () => {
  const records = await run({ serve: stalls }, { phases: steady(100, 5_000) })
  // Ten connections hang with one request each, the other 90 leave when the stall is over.
  const latency = Histogram.from(records.fromSent)
  assert.ok(latency.quantile(0.975) < 0.001)
  assert.ok(latency.quantile(0.99) > 900)
})

test("a closed loop meets the stall with as many requests as it has connections", async () => {
  const records = await run({ serve: (now) => Math.max(stalls(now, 0)!, now + 10) })
  const latency = Histogram.from(records.fromIntended)
  // Ten connections, 10 ms per request: 4 s at 1,000 per second, and ten that hang.
  assert.ok(Math.abs(latency.count - 4_010) <= 20, `${latency.count} requests`)
  assert.ok(latency.quantile((latency.count - 10) / latency.count) < 11)
  assert.ok(latency.quantile((latency.count - 9) / latency.count) > 11)
})

for (const rate of [10, 100, 1_000]) {
  test(`a target that takes 5 ms is seen to take 5 ms at ${rate} requests per second`, async () => {
    const records = await run({ serve: (now) => now + 5 }, { phases: steady(rate, 5_000) })
    assert.equal(records.answered, rate * 5)
    for (const dump of [records.fromIntended, records.fromSent]) {
      const latency = Histogram.from(dump)
      for (const part of [0.5, 0.9, 0.99, 0.9999]) {
        assert.ok(Math.abs(latency.quantile(part) - 5) <= 0.02 * 5, `${latency.quantile(part)}`)
      }
    }
  })
}

test("a target that takes one request at a time, Poisson arrivals: the mean wait of M/D/1", async () => {
  // Pollaczek and Khinchine: ρ = 0.5 of 8 ms each waits ρ/(2(1−ρ))·8 = 4 ms on average. 50,000 requests; the mean of
  // waits that are correlated over a few busy periods has a standard error of about 0.06 ms: 4σ and the cells' width.
  let freeAt = 0
  const serve: Serve = (now) => (freeAt = Math.max(freeAt, now) + 8)
  const records = await run({ serve }, { phases: steady(62.5, 800_000), poisson: 3, connections: 1 })
  const latency = Histogram.from(records.fromIntended)
  assert.ok(Math.abs(latency.mean - 12) <= 0.3, `${latency.mean} ms`)
})

test("the rate is held whatever the target does", async () => {
  const records = await run({ serve: (now) => now + 700 }, { phases: steady(100, 10_000), connections: 200 })
  assert.equal(records.sent, 1_000)
  for (const slice of records.slices) assert.equal(slice.sent, 100)
})

test("connections are opened as they are needed, and no more than may be", async () => {
  const quick = await run({ serve: (now) => now + 1 }, { phases: steady(100, 2_000), connections: 100 })
  assert.equal(quick.target.openMax, 8)
  const slow = await run({ serve: (now) => now + 500 }, { phases: steady(100, 2_000), connections: 30 })
  assert.equal(slow.target.openMax, 30)
})

test("what is due while too many wait is not sent, and said to be", async () => {
  const records = await run(
    { serve: () => undefined },
    { phases: steady(100, 1_000), connections: 10, waitingMax: 20, timeoutMs: 5_000 },
  )
  assert.equal(records.sent + (records.errors["not_sent"] ?? 0) >= 100, true)
  assert.equal(failures(records), 100)
  assert.equal(records.answered, 0)
})

test("a run that is stopped gives up what is under way and what was due, and draws nothing of what was due later", async () => {
  const records = await run(
    { serve: () => undefined },
    { phases: steady(100, 3_600_000), connections: 10, stopAt: 1_005 },
  )
  assert.equal(records.endedAt, 1_005)
  assert.deepEqual(records.errors, { unfinished: 10, not_sent: 91 })
})

test("a target that refuses ends in honest numbers, in an open loop as in a closed one", async () => {
  const open = await run({ serve: () => 0, refuses: true }, { phases: steady(50, 2_000) })
  assert.equal(failures(open), 100)
  assert.ok(open.errors["connect_refused"]! > 0)
  assert.ok(open.endedAt < 2_500)
  const closed = await run({ serve: () => 0, refuses: true }, { durationMs: 1_000, connections: 4 })
  // Each connection is tried every 100 ms.
  assert.ok(closed.errors["connect_refused"]! >= 36 && closed.errors["connect_refused"]! <= 48)
  assert.ok(closed.endedAt < 1_500)
})

test("connections that were refused for a while are dialled again, and all may be in use then", async () => {
  let dials = 0
  const options: TargetOptions = {
    serve: (now) => now + 400,
    get refuses(): boolean {
      return dials++ < 40
    },
  }
  const records = await run(options, { phases: steady(100, 3_000), connections: 30 })
  assert.ok(records.errors["connect_refused"]! > 20)
  assert.equal(records.target.openMax, 30)
  assert.equal(records.answered + failures(records), 300)
})

test("a connection that does not open is given up in time", async () => {
  const records = await run(
    { serve: () => 0, opensAfterMs: undefined },
    { phases: steady(10, 1_000), timeoutMs: 300, connections: 2 },
  )
  assert.ok(records.errors["connect_timeout"]! >= 4)
  assert.equal(failures(records), 10)
  assert.ok(records.endedAt < 2_000)
})

test("a request without a response in time is an error, and its connection is replaced", async () => {
  const records = await run(
    { serve: (now, request) => (request === 3 ? undefined : now) },
    { phases: steady(10, 1_000), timeoutMs: 200, connections: 1 },
  )
  assert.deepEqual(records.errors, { timeout: 1 })
  assert.equal(records.answered, 9)
  assert.equal(records.target.opened, 2)
})

test("a connection that the target closed while it was idle costs no request: it is sent again once", async () => {
  const records = await run(
    { serve: (now) => now, cuts: cutsOff(5) },
    { phases: steady(10, 2_000), connections: 1 },
  )
  assert.deepEqual([records.errors, records.answered, records.resent], [{}, 20, 1])
})

test("one that is cut off twice is an error", async () => {
  const records = await run(
    { serve: (now) => now, cuts: cutsOff(5, 6) },
    { phases: steady(10, 2_000), connections: 1 },
  )
  assert.deepEqual([records.errors, records.answered, records.resent], [{ closed_early: 1 }, 19, 1])
})

test("a target that closes behind every response is dialled for each request", async () => {
  const records = await run({ serve: (now) => now + 1, closesAfter: 1 }, { requestsMax: 50, connections: 5 })
  assert.deepEqual([records.answered, failures(records)], [50, 0])
  assert.ok(records.target.opened >= 50)
})

test("so many requests and no more", async () => {
  for (const more of [{}, { phases: steady(100, 60_000) }]) {
    const records = await run({ serve: (now) => now + 5 }, { requestsMax: 123, ...more })
    assert.deepEqual([records.sent, records.answered, records.target.received], [123, 123, 123])
  }
})

test("what is meant for the warm-up is not counted", async () => {
  const records = await run({ serve: (now) => now + 5 }, { phases: steady(100, 3_000), warmUpMs: 1_000 })
  assert.deepEqual([records.warmUp, records.sent, records.answered], [100, 200, 200])
  assert.equal(Histogram.from(records.fromIntended).count, 200)
  assert.equal(records.slices.length, 2)
})

test("every request that was due ends as one response or as one error, whatever happens", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const rng = seeded(seed)
    const wild: Serve = (now) => (rng.below(20) === 0 ? undefined : now + rng.below(400))
    const cuts = (): { error: SpamError; stale: boolean } | undefined =>
      rng.below(10) === 0 ? { error: "reset", stale: rng.below(2) === 0 } : undefined
    const records = await run(
      { serve: wild, cuts, closesAfter: 1 + rng.below(5) },
      { phases: steady(100, 2_000), connections: 1 + rng.below(8), timeoutMs: 300, waitingMax: 30 },
    )
    assert.equal(records.answered + failures(records), 200, `seed ${seed}`)
    assert.equal(records.target.open, 0, `seed ${seed}`)
  }
})

test("no more connections are opened than requests wait for one, however many there might be", async () => {
  // Connections take 200 ms to open, so ten requests or so wait at first, over several looks at the lanes.
  const { target, answered } = await run(
    { serve: (now) => now + 10, opensAfterMs: 200 },
    { phases: [{ from: 50, to: 50, ms: 2_000 }], connections: 1_000 },
  )
  assert.equal(answered, 100)
  assert.ok(target.opened <= 20, `${target.opened} were opened`)
})
