/**
 * Hot path: sends requests over keep-alive connections and records what comes of each. One per thread.
 *
 * Closed loop: every connection sends its next request when it has the response to the one before: as much load as the
 * target takes. A target that stalls gets fewer requests meanwhile, so few requests see its stall; latencies of a
 * closed loop say little about a stall, and the summary says so.
 *
 * Open loop: requests are due by a schedule, whether earlier ones have their response or not. One that finds no
 * connection free waits, and its latency counts from when it was due (Tene's "coordinated omission" is thus accounted
 * for, not corrected).
 */
import type { Clock, Millis } from "../core/clock.ts"
import type { Timers } from "../system.ts"
import type { Channel, ChannelOwner, Dial, SpamError } from "./channel.ts"
import type { LoadRecorder } from "./recorder.ts"
import type { RequestSource } from "./requests.ts"
import type { DueTimes } from "./schedule.ts"

/** Calls a function at a time, as exactly as possible. */
export interface Pacer {
  /** Calls `fn` once, at `at` or as soon after as possible; a new call replaces the one before. */
  wakeAt(at: Millis, fn: () => void): void
  stop(): void
}

export interface GeneratorOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly pacer: Pacer
  readonly dial: Dial
  readonly requests: RequestSource
  readonly recorder: LoadRecorder
  /** Connections at one time, at least 1. A closed loop opens all at once, an open loop as they are needed. */
  readonly connections: number
  /** The longest that one request may take once it is sent, and a connection to open. */
  readonly timeoutMs: Millis
  /** No request is meant for later than this, from the start. */
  readonly durationMs: Millis
  /** Requests in all; Infinity when only the duration ends it. */
  readonly requestsMax: number
  /** Open loop: when requests are due. Closed loop without it. */
  readonly schedule: DueTimes | undefined
  /** Open loop: requests that wait for a connection, at most. */
  readonly waitingMax: number
}

/** How long a connection that could not be opened is not tried again. */
const redialMs = 100
/** Requests that leave in one turn of the event loop, at most. */
const turnMax = 1_000
/** Connections that an open loop opens before its first request. */
const openedAtStart = 8
/** How often timeouts are looked at. */
const sweepMs = 50

class Lane {
  channel: Channel | undefined
  open = false
  busy = false
  /** Of the request under way. */
  kind = 0
  intended: Millis = 0
  sentAt: Millis = 0
  bytes: Buffer | undefined
  isHead = false
  resent = false
  /** When it gives up: to open, or on the request. */
  deadline: Millis = Infinity
  /** Not dialled again before. */
  redialAt: Millis = 0
  /** It stands in the list of those to dial. */
  isListed = false
}

/** Requests that are due and have no connection, in order. */
class DueRequests {
  readonly #kinds: number[] = []
  readonly #intended: Millis[] = []
  readonly #bytes: (Buffer | undefined)[] = []
  readonly #isHead: boolean[] = []
  #first = 0

  get length(): number {
    return this.#kinds.length - this.#first
  }

  push(kind: number, intended: Millis, bytes: Buffer, isHead: boolean): void {
    this.#kinds.push(kind)
    this.#intended.push(intended)
    this.#bytes.push(bytes)
    this.#isHead.push(isHead)
  }

  /** Moves the first into the lane. */
  shiftInto(lane: Lane): void {
    const at = this.#first++
    lane.kind = this.#kinds[at]!
    lane.intended = this.#intended[at]!
    lane.bytes = this.#bytes[at]
    lane.isHead = this.#isHead[at]!
    this.#bytes[at] = undefined
    if (this.#first < 4_096) return
    for (const list of [this.#kinds, this.#intended, this.#bytes, this.#isHead]) list.splice(0, this.#first)
    this.#first = 0
  }
}

export class Generator implements ChannelOwner<Channel> {
  readonly #options: GeneratorOptions
  readonly #lanes: Lane[] = []
  readonly #laneOf = new Map<Channel, Lane>()
  /** Open and without a request, the last used first: few connections are busy rather than all a little. */
  readonly #free: Lane[] = []
  /**
   * Those without a connection, of which the last is dialled next: a request that waits must not look through all. One
   * that has got a connection meanwhile is passed over, and one that may not be dialled yet comes back with a sweep.
   */
  readonly #unconnected: Lane[] = []
  readonly #waiting = new DueRequests()
  #startedAt: Millis = 0
  #drawn = 0
  #underWay = 0
  /** Connections that are being opened for requests that wait. */
  #dialling = 0
  #ended = false
  #finish: (() => void) | undefined
  #stopSweep: (() => void) | undefined

  constructor(options: GeneratorOptions) {
    this.#options = options
  }

  /** Requests that are sent and have no response yet, and those that wait for a connection. */
  get pending(): number {
    return this.#underWay + this.#waiting.length
  }

  /** Sends from `at` on (of the clock); resolves when every request has its response or has been given up. */
  run(at: Millis): Promise<void> {
    this.#startedAt = at
    const { connections, schedule } = this.#options
    for (let i = 0; i < connections; i++) this.#lanes.push(new Lane())
    for (const lane of this.#lanes.toReversed()) this.#list(lane)
    return new Promise((resolve) => {
      // Stopped before it began.
      if (this.#ended) return resolve()
      this.#finish = resolve
      this.#sweepLater()
      if (schedule === undefined) {
        this.#options.pacer.wakeAt(at, () => {
          for (const lane of this.#lanes) this.#dial(lane)
        })
      } else {
        // The first requests should not have to wait for connections.
        for (const lane of this.#lanes.slice(0, openedAtStart)) this.#dial(lane)
        this.#plan()
      }
    })
  }

  /** Ends it now: what runs is given up. */
  stop(): void {
    if (this.#ended) return
    this.#giveUp("unfinished")
    this.#end()
  }

  // ── the connections ───────────────────────────────────────────────────────────────────────────────────────────

  onOpen(channel: Channel): void {
    const lane = this.#laneOf.get(channel)
    if (lane === undefined) return
    lane.open = true
    lane.deadline = Infinity
    if (!lane.busy) this.#dialling--
    // A request that was cut off by a connection which had been closed already.
    if (lane.busy) this.#send(lane)
    else this.#onFree(lane)
  }

  onAnswer(
    channel: Channel,
    status: number,
    bytes: number,
    backend: string | undefined,
    keeps: boolean,
  ): void {
    const lane = this.#laneOf.get(channel)
    if (lane === undefined) return
    const { recorder } = this.#options
    recorder.onAnswer(lane.kind, lane.intended, lane.sentAt, this.#now(), status, bytes, backend ?? "")
    this.#settle(lane)
    if (keeps) this.#onFree(lane)
    else {
      this.#forget(lane, channel)
      this.#replace(lane)
    }
    this.#endIfDone()
  }

  onFailed(channel: Channel, error: SpamError, detail: string, stale: boolean): void {
    const lane = this.#laneOf.get(channel)
    if (lane === undefined) return
    const wasOpen = lane.open
    this.#forget(lane, channel)
    if (lane.busy && stale && !lane.resent) {
      // It was closed while it was idle, which a server may do at any time (RFC 9112 9.3.1): nothing is wrong yet.
      lane.resent = true
      this.#options.recorder.onResent()
      this.#dial(lane)
      return
    }
    if (lane.busy) {
      this.#options.recorder.onError(lane.kind, lane.intended, error, detail)
      this.#settle(lane)
    } else if (!wasOpen) this.#onNotOpened(lane, error, detail)
    this.#replace(lane)
    this.#endIfDone()
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  #now(): Millis {
    return this.#options.clock.now() - this.#startedAt
  }

  /** Opens the lane's connection. */
  #dial(lane: Lane): void {
    const { dial, recorder, timeoutMs } = this.#options
    lane.deadline = this.#now() + timeoutMs
    if (!lane.busy) this.#dialling++
    const channel = dial(this)
    recorder.onConnection()
    lane.channel = channel
    this.#laneOf.set(channel, lane)
  }

  /**
   * A connection could not be opened. In a closed loop that is a failed request; in an open loop a waiting request
   * fails.
   */
  #onNotOpened(lane: Lane, error: SpamError, detail: string): void {
    const { recorder, schedule, requests } = this.#options
    lane.redialAt = this.#now() + redialMs
    if (schedule === undefined) {
      if (!this.#mayDraw()) return
      this.#drawn++
      const kind = requests.draw()
      recorder.onSent(kind, this.#now(), 0, NaN)
      recorder.onError(kind, this.#now(), error, detail)
    } else if (this.#waiting.length > 0) {
      this.#waiting.shiftInto(lane)
      recorder.onSent(lane.kind, lane.intended, 0, NaN)
      recorder.onError(lane.kind, lane.intended, error, detail)
    }
  }

  #forget(lane: Lane, channel: Channel): void {
    this.#laneOf.delete(channel)
    if (!lane.open && !lane.busy) this.#dialling--
    if (lane.open && !lane.busy) {
      const at = this.#free.indexOf(lane)
      if (at !== -1) this.#free.splice(at, 1)
    }
    lane.channel = undefined
    lane.open = false
    lane.deadline = Infinity
    this.#list(lane)
  }

  #list(lane: Lane): void {
    if (lane.isListed) return
    lane.isListed = true
    this.#unconnected.push(lane)
  }

  /**
   * A lane that may be dialled now. Constant time but for lanes that are in the list in vain, each of which leaves it.
   */
  #takeUnconnected(): Lane | undefined {
    const now = this.#now()
    for (;;) {
      const lane = this.#unconnected.pop()
      if (lane === undefined) return undefined
      lane.isListed = false
      if (lane.channel === undefined && lane.redialAt <= now) return lane
    }
  }

  /** A lane has lost its connection: it gets another one if there is something to send. */
  #replace(lane: Lane): void {
    if (this.#ended || lane.redialAt > this.#now()) return
    const { schedule } = this.#options
    // No more than there are requests that wait for one.
    if (schedule === undefined ? this.#mayDraw() : this.#waiting.length > this.#dialling) this.#dial(lane)
  }

  #mayDraw(): boolean {
    const { durationMs, requestsMax } = this.#options
    return this.#drawn < requestsMax && this.#now() < durationMs
  }

  #onFree(lane: Lane): void {
    if (this.#waiting.length > 0) {
      this.#waiting.shiftInto(lane)
      this.#begin(lane, NaN)
    } else if (this.#options.schedule === undefined && this.#mayDraw()) {
      this.#draw(lane, this.#now())
      this.#begin(lane, NaN)
    } else this.#free.push(lane)
  }

  #draw(lane: Lane, intended: Millis): void {
    const { requests } = this.#options
    this.#drawn++
    lane.kind = requests.draw()
    lane.bytes = requests.bytes()
    lane.isHead = requests.isHead()
    lane.intended = intended
  }

  /** The lane's request leaves; `late` is how late for no reason but the generator's, NaN when there was another. */
  #begin(lane: Lane, late: Millis): void {
    lane.busy = true
    lane.resent = false
    this.#underWay++
    this.#options.recorder.onSent(lane.kind, lane.intended, lane.bytes!.length, late)
    this.#send(lane)
  }

  #send(lane: Lane): void {
    lane.sentAt = this.#now()
    lane.deadline = lane.sentAt + this.#options.timeoutMs
    lane.channel!.send(lane.bytes!, lane.isHead)
  }

  #settle(lane: Lane): void {
    lane.busy = false
    lane.bytes = undefined
    lane.deadline = Infinity
    this.#underWay--
  }

  // ── the open loop ─────────────────────────────────────────────────────────────────────────────────────────────

  #plan(): void {
    const { durationMs, pacer, schedule } = this.#options
    const next = this.#drawn < this.#options.requestsMax ? schedule!.next : Infinity
    if (next < durationMs) pacer.wakeAt(this.#startedAt + next, () => this.#onDue())
    else this.#endIfDone()
  }

  /** All that is due by now leaves, or waits. */
  #onDue(): void {
    if (this.#ended) return
    const { schedule, durationMs, requestsMax } = this.#options
    const now = this.#now()
    // Sockets must be read also where more is due than can be sent.
    let turn = turnMax
    while (schedule!.next <= now && schedule!.next < durationMs && this.#drawn < requestsMax && turn-- > 0) {
      const intended = schedule!.take()
      const lane = this.#free.pop()
      if (lane === undefined) this.#wait(intended)
      else {
        this.#draw(lane, intended)
        this.#begin(lane, now - intended)
      }
    }
    this.#plan()
  }

  #wait(intended: Millis): void {
    const { recorder, requests, waitingMax } = this.#options
    this.#drawn++
    const kind = requests.draw()
    if (this.#waiting.length >= waitingMax) {
      recorder.onError(kind, intended, "not_sent", "")
      return
    }
    this.#waiting.push(kind, intended, requests.bytes(), requests.isHead())
    // One more connection for each that waits, as long as there may be more.
    if (this.#waiting.length <= this.#dialling) return
    const idle = this.#takeUnconnected()
    if (idle !== undefined) this.#dial(idle)
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

  #sweepLater(): void {
    this.#stopSweep = this.#options.timers.set(sweepMs, () => this.#sweep())
  }

  /** Gives up what takes too long, dials again what may be, and ends what has nothing left to do. */
  #sweep(): void {
    const now = this.#now()
    for (const lane of this.#lanes) {
      const { channel } = lane
      if (channel === undefined) {
        if (lane.redialAt <= now) this.#list(lane)
        if (now >= 0) this.#replace(lane)
      } else if (now >= lane.deadline) {
        channel.destroy()
        this.onFailed(channel, lane.open ? "timeout" : "connect_timeout", "", false)
      }
      if (this.#ended) return
    }
    const isStuck = this.#isOver() && this.#underWay === 0 && !this.#isDialling()
    const { durationMs, timeoutMs } = this.#options
    if (isStuck || now >= durationMs + timeoutMs) {
      // No request waits longer because it could not be sent than because it was.
      this.#giveUp("unfinished")
      this.#end()
      return
    }
    this.#endIfDone()
    if (!this.#ended) this.#sweepLater()
  }

  /** No more requests are drawn. */
  #isOver(): boolean {
    const { schedule, durationMs, requestsMax } = this.#options
    if (this.#drawn >= requestsMax) return true
    return schedule === undefined ? this.#now() >= durationMs : schedule.next >= durationMs
  }

  #isDialling(): boolean {
    return this.#lanes.some((lane) => lane.channel !== undefined && !lane.open)
  }

  #endIfDone(): void {
    if (!this.#ended && this.#underWay === 0 && this.#waiting.length === 0 && this.#isOver()) this.#end()
  }

  /**
   * Those under way, and those that were due by now and have not left; what is due later was never meant to be sent.
   */
  #giveUp(error: SpamError): void {
    const { recorder } = this.#options
    for (const lane of this.#lanes) {
      if (!lane.busy) continue
      recorder.onError(lane.kind, lane.intended, error, "")
      this.#settle(lane)
    }
    const { durationMs, requests, requestsMax, schedule } = this.#options
    const until = Math.min(durationMs, this.#now())
    for (
      let due = schedule?.next ?? Infinity;
      due < until && this.#drawn < requestsMax;
      due = schedule!.next
    ) {
      this.#drawn++
      recorder.onError(requests.draw(), schedule!.take(), "not_sent", "")
    }
    const lane = new Lane()
    while (this.#waiting.length > 0) {
      this.#waiting.shiftInto(lane)
      recorder.onError(lane.kind, lane.intended, "not_sent", "")
    }
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.pacer.stop()
    this.#stopSweep?.()
    for (const channel of this.#laneOf.keys()) channel.destroy()
    this.#laneOf.clear()
    this.#finish?.()
  }
}
