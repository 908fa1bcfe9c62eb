/**
 * The client of the registration API, for backends in Node.js. It runs in other people's processes: on Node.js 18 and
 * newer (test/house/announce-node.test.ts), and whatever the balancer does, it neither throws later on nor leaves a rejection
 * behind.
 */
import { parseBackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { NamedAmounts } from "../core/resources.ts"
import type { Rng } from "../core/rng.ts"
import { processStartedAt, systemRng, systemTimers, type Timers } from "../system.ts"

/**
 * Where the announcement stands.
 *
 * - `announcing`: not a member yet
 * - `member`: holds a lease and renews it
 * - `unreachable`: the balancer does not respond; tried again with back-off, without end
 * - `refused`: the balancer says that something here is wrong; tried again every 30 s
 * - `draining`: asked for no new requests; the lease is still renewed
 * - `superseded`: another instance holds the lease of the same id; tried again, and taken over when that has ended
 * - `left`: the end
 */
export type AnnouncementState =
  | "announcing"
  | "member"
  | "unreachable"
  | "refused"
  | "draining"
  | "superseded"
  | "left"

/** What has changed, as `onState` is told. */
export interface AnnouncementChange {
  /** Where the announcement stands now. */
  readonly state: AnnouncementState
  /** Which registration it is; undefined while it holds no lease. */
  readonly generation: number | undefined
  /** One sentence for a person, with the balancer's own words where it gave any. */
  readonly reason: string
}

/** What a backend says of itself with each renewal. Entries that are not finite numbers are left out. */
export interface RenewalReport {
  /** Busy fraction of each resource, 0 to 1. */
  readonly utilization?: NamedAmounts
  /** Requests being served now. */
  readonly inFlight?: number
  /** What it has now, when that has changed. */
  readonly capacity?: NamedAmounts
}

/** What a backend says of itself, and where. */
export interface AnnounceOptions {
  /** The balancer's registration URL, such as `http://127.0.0.1:9797`. */
  readonly balancer: string
  /** The name to be a member under: 1 to 128 of `A-Z a-z 0-9 . _ : -`. */
  readonly id: string
  /** Where requests are to go, on the IP address that the balancer sees; or give `address`. */
  readonly port?: number
  /** Where requests are to go, `host:port` or `unix:/path/to.sock`. */
  readonly address?: string
  /** Whether requests come in the clear or within TLS; `http` when absent. */
  readonly scheme?: "http" | "https"
  /** What the backend has of each resource, by name. */
  readonly capacity: NamedAmounts
  /** Sent as a bearer token. */
  readonly token?: string
  /** Where it is. */
  readonly zone?: string
  /** Which version of the program it runs. */
  readonly version?: string
  /** What pools find it by. */
  readonly labels?: Readonly<Record<string, string>>
  /** Its share, for the policies that take weights; 1 when absent. */
  readonly weight?: number
  /** The lease to ask for; the balancer has the last word. */
  readonly ttlMs?: Millis
  /** Which start of this backend it is: grows from one to the next. By default when the process started. */
  readonly incarnation?: number
  /** Asked before each renewal. */
  readonly report?: () => RenewalReport
  /** Told of every change. Without it `refused` and `superseded` become process warnings. */
  readonly onState?: (change: AnnouncementChange) => void
  /** Makes the calls; `fetch` of the program when absent. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** Waits between calls; real time when absent. */
  readonly timers?: Timers
  /** Spreads the calls of many backends; real chance when absent. */
  readonly rng?: Rng
}

/** A backend that announces itself, until it leaves. */
export interface Announcement {
  /** Where it stands now. */
  readonly state: AnnouncementState
  /** Which registration this is, once the balancer has said. */
  readonly generation: number | undefined
  /**
   * Asks for no new requests; goes on renewing, because requests may still be running. Resolves when the balancer has
   * responded, or after 2 s: then it is asked again until it has responded. Never rejects.
   */
  drain(): Promise<void>
  /** Ends the membership, at once for the balancer. Resolves within 2 s, heard or not. Never rejects. */
  leave(): Promise<void>
}

/** One call to the balancer. */
const callMsMax = 3_000
/** `drain` and `leave`, whatever the balancer does. */
const farewellMsMax = 2_000
const answerBytesMax = 65_536
const backOffMsBase = 250
const backOffMsMax = 5_000
const refusedMs = 30_000
/**
 * Between two tries to take a lease over from another instance, on average; twice as long each time it is lost to one.
 */
const takeOverMsBase = 2_000
const takeOverMsMax = 30_000
/** A lease that was renewed so often is settled: it is not one that two instances take from each other. */
const renewalsSettled = 30
/** What the balancer may ask for between two renewals. */
const renewMsMin = 10
const renewMsMax = 60_000

/**
 * Makes this process a member of a Linebacker balancer and keeps it one: announces, renews as often as the
 * response says, announces again when the balancer has forgotten (404) or another instance with its id has gone (409),
 * and survives a balancer that is down at the start, dies or restarts. One call at a time; its timers never keep a
 * finished process alive, but for `drain` and `leave`, which are waited for.
 *
 * Call it once the server listens:
 *
 *     const announcement = announce({ balancer: "http://127.0.0.1:9797", id: "a", port: 8080, capacity: { compute: 20 } })
 *     process.once("SIGTERM", () => void announcement.leave().then(() => server.close()))
 *
 * @throws TypeError when the balancer is no http(s) URL, the id is not valid, or there is neither a port nor an
 *   address.
 */
export function announce(options: AnnounceOptions): Announcement {
  return new Announcer(options)
}

/** What a response means for what comes next. */
type ResponseMeaning =
  | { readonly kind: "accepted"; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: "unknown" | "superseded" | "refused" | "unreachable"; readonly reason: string }

type Operation = "announce" | "renew" | "drain" | "leave"

class Announcer implements Announcement {
  readonly #options: AnnounceOptions
  readonly #url: string
  readonly #announcement: string
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly #timers: Timers
  readonly #rng: Rng
  #state: AnnouncementState = "announcing"
  #reason = ""
  #generation: number | undefined
  #renewMs = renewMsMax
  #failures = 0
  /** How often the lease went to another instance, since it was last settled. */
  #losses = 0
  #renewals = 0
  #drain: "no" | "wished" | "heard" = "no"
  #leaving: Promise<void> | undefined
  /** Steps run one after the other on this chain. It never rejects. */
  #steps: Promise<void> = Promise.resolve()
  #cancelTimer: () => void = () => {}
  #abortCall: () => void = () => {}

  constructor(options: AnnounceOptions) {
    const { balancer, id, port, address = port === undefined ? undefined : `:${port}` } = options
    if (!isHttpUrl(balancer)) {
      throw new TypeError(`the balancer must be an http or https URL; found "${balancer}"`)
    }
    if (parseBackendId(id) === undefined) {
      throw new TypeError(`an id is 1 to 128 of A-Z a-z 0-9 . _ : -; found "${id}"`)
    }
    if (address === undefined) throw new TypeError("a port or an address is needed: where requests are to go")
    const { capacity, scheme, zone, version, labels, weight, ttlMs, incarnation = processStartedAt } = options
    this.#options = options
    this.#url = `${balancer.replace(/\/+$/, "")}/v1/backends/${encodeURIComponent(id)}`
    const place = { address, capacity, scheme, zone, version, labels, weight, incarnation, ttlMs }
    this.#announcement = JSON.stringify(place)
    this.#fetch = options.fetch ?? fetch
    this.#timers = options.timers ?? systemTimers
    this.#rng = options.rng ?? systemRng()
    void this.#stepNow()
  }

  get state(): AnnouncementState {
    return this.#state
  }

  get generation(): number | undefined {
    return this.#generation
  }

  async drain(): Promise<void> {
    if (this.#drain === "no" && this.#state !== "left") {
      this.#drain = "wished"
      await this.#within(farewellMsMax, this.#stepNow(), () => {})
    }
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave()
    return this.#leaving
  }

  async #leave(): Promise<void> {
    this.#cancelTimer()
    this.#become("left", "left the balancer")
    let late = false
    const farewell = async (): Promise<void> => {
      // A call under way may be the one that brings the generation: it goes first.
      await this.#steps
      if (this.#generation !== undefined && !late) await this.#call("leave")
    }
    await this.#within(farewellMsMax, farewell(), () => {
      late = true
      this.#abortCall()
    })
  }

  #stepNow(): Promise<void> {
    this.#cancelTimer()
    this.#steps = this.#steps
      .then(() => this.#step())
      .catch((error: unknown) => {
        // A mistake of this file. It must not end the process that it is a guest in.
        this.#become("unreachable", `announcing failed: ${why(error)}`)
        this.#plan(refusedMs)
      })
    return this.#steps
  }

  #plan(waitMs: Millis): void {
    this.#cancelTimer()
    if (this.#state === "left") return
    this.#cancelTimer = this.#timers.set(waitMs, () => void this.#stepNow(), { unref: true })
  }

  /** Makes the one call that the state asks for and plans the next. */
  async #step(): Promise<void> {
    if (this.#state === "left") return
    this.#cancelTimer()
    const call = this.#nextCall()
    if (call === undefined) return this.#become("draining", "not a member, and asks for no requests")
    const outcome = await this.#call(call)
    this.#plan(this.#settle(call, outcome))
  }

  #nextCall(): Operation | undefined {
    if (this.#generation === undefined) return this.#drain === "no" ? "announce" : undefined
    return this.#drain === "wished" ? "drain" : "renew"
  }

  /** Takes an outcome in; returns how long to wait until the next step. */
  #settle(call: Operation, outcome: ResponseMeaning): Millis {
    switch (outcome.kind) {
      case "accepted":
        this.#failures = 0
        if (call === "drain") this.#drain = "heard"
        if (call === "announce") this.#takeLease(outcome.body)
        else if (++this.#renewals >= renewalsSettled) this.#losses = 0
        if (this.#drain === "no") this.#become("member", `a member, generation ${this.#generation}`)
        else this.#become("draining", "no new requests are wanted")
        return this.#renewMs
      case "unknown":
        this.#generation = undefined
        if (this.#drain === "no") this.#become("announcing", outcome.reason)
        return 0
      case "superseded":
        this.#generation = undefined
        this.#become("superseded", outcome.reason)
        return this.#takeOverMs(call)
      case "refused":
        this.#become("refused", outcome.reason)
        return refusedMs
      case "unreachable":
        this.#become("unreachable", outcome.reason)
        // Full jitter (Brooker, "Exponential Backoff and Jitter", 2015): a balancer that comes back does not
        // meet all of its backends at once.
        return this.#rng.next() * Math.min(backOffMsMax, backOffMsBase * 2 ** this.#failures++)
    }
  }

  #takeLease(body: Readonly<Record<string, unknown>>): void {
    this.#renewals = 0
    this.#generation = Number(body["generation"])
    this.#renewMs = Math.min(renewMsMax, Math.max(renewMsMin, Number(body["renewMs"])))
  }

  /**
   * Until the next try to take the lease over. One that is refused lost nothing, since a higher incarnation holds it.
   * One that had it and lost it may take it back by trying, and the other one likewise: they do so ever more seldom.
   */
  #takeOverMs(call: Operation): Millis {
    const doublings = call === "announce" ? 0 : this.#losses++
    return (0.5 + this.#rng.next()) * Math.min(takeOverMsMax, takeOverMsBase * 2 ** doublings)
  }

  #become(state: AnnouncementState, reason: string): void {
    if (this.#state === "left" || (this.#state === state && this.#reason === reason)) return
    this.#state = state
    this.#reason = reason
    const { onState } = this.#options
    if (onState !== undefined) {
      asked(() => onState({ state, generation: this.#generation, reason }))
    } else if (state === "refused" || state === "superseded") {
      process.emitWarning(reason, { type: "LinebackerWarning", code: `announcement_${state}` })
    }
  }

  async #call(call: Operation): Promise<ResponseMeaning> {
    const controller = new AbortController()
    this.#abortCall = () => controller.abort()
    const cancel = this.#timers.set(callMsMax, this.#abortCall, { unref: true })
    try {
      const response = await this.#fetch(
        call === "renew" || call === "drain" ? `${this.#url}/${call}` : this.#url,
        {
          method: methods[call],
          headers: this.#headers(),
          body: this.#body(call),
          redirect: "manual",
          signal: controller.signal,
        },
      )
      return judge(call, response.status, await textOf(response))
    } catch (error) {
      return { kind: "unreachable", reason: `no response from ${this.#url}: ${why(error)}` }
    } finally {
      cancel()
    }
  }

  #headers(): Record<string, string> {
    const { token } = this.#options
    const type = { "content-type": "application/json" }
    return token === undefined ? type : { ...type, authorization: `Bearer ${token}` }
  }

  #body(call: Operation): string {
    if (call === "announce") return this.#announcement
    const generation = this.#generation
    if (call !== "renew") return JSON.stringify({ generation })
    const { utilization, inFlight, capacity } = asked(() => this.#options.report?.()) ?? {}
    return JSON.stringify({
      generation,
      utilization: finite(utilization),
      capacity: finite(capacity),
      inFlight: Number.isFinite(inFlight) ? inFlight : undefined,
    })
  }

  /** Waits for the work, but not longer than the limit. */
  async #within(limitMs: Millis, work: Promise<void>, onLimit: () => void): Promise<void> {
    let cancel: (() => void) | undefined
    const limit = new Promise<void>((resolve) => {
      cancel = this.#timers.set(limitMs, () => {
        onLimit()
        resolve()
      })
    })
    await Promise.race([work, limit])
    cancel?.()
  }
}

const methods = { announce: "PUT", renew: "POST", drain: "POST", leave: "DELETE" } as const satisfies Record<
  Operation,
  string
>

/** Busy and broken balancers get better by themselves. */
const passing = new Set([408, 425, 429])

function judge(call: Operation, status: number, text: string): ResponseMeaning {
  const body = objectOf(text)
  const reason = `the balancer responded to ${call} with ${status}${said(body, text)}`
  if (status >= 200 && status < 300) {
    const usable =
      call !== "announce" || (Number.isInteger(body?.["generation"]) && Number(body?.["renewMs"]) > 0)
    if (usable) return { kind: "accepted", body: body ?? {} }
    return { kind: "refused", reason: `${reason}, which is no lease: is this the registration port?` }
  }
  if (status === 409) return { kind: "superseded", reason }
  if (status === 404 && call !== "announce") return { kind: "unknown", reason }
  return { kind: status >= 500 || passing.has(status) ? "unreachable" : "refused", reason }
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The server's own words: of the error body of the contract, else the start of what it sent. */
function said(body: Readonly<Record<string, unknown>> | undefined, text: string): string {
  const error = body?.["error"]
  if (typeof error === "object" && error !== null && "message" in error) {
    const code = "code" in error ? ` ${String(error.code)}` : ""
    return `${code}: ${String(error.message).slice(0, 500)}`
  }
  return text === "" ? "" : `: ${text.slice(0, 200)}`
}

async function textOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let bytes = 0
  let text = ""
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    bytes += part.value.byteLength
    if (bytes > answerBytesMax) {
      await reader?.cancel()
      throw new Error(`the response is longer than ${answerBytesMax} bytes`)
    }
    text += decoder.decode(part.value, { stream: true })
  }
  return text
}

function why(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === "AbortError") return "it took too long"
  // fetch hides what happened ("ECONNREFUSED") behind "fetch failed".
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message
}

/**
 * Runs the backend's own function. Its mistake becomes a warning: it must not cost the backend its lease or its life.
 */
function asked<T>(fn: () => T): T | undefined {
  try {
    const result = fn()
    // It should not be asynchronous, and if it is, its rejection is a mistake like any other.
    if (result instanceof Promise) result.catch(warnOf)
    return result
  } catch (error) {
    warnOf(error)
    return undefined
  }
}

function warnOf(error: unknown): void {
  process.emitWarning(`a function given to announce threw: ${why(error)}`, { type: "LinebackerWarning" })
}

/** Written so that Node.js 18 can do it. */
function isHttpUrl(text: string): boolean {
  try {
    return /^https?:$/.test(new URL(text).protocol)
  } catch {
    return false
  }
}

function finite(amounts: NamedAmounts | undefined): NamedAmounts | undefined {
  if (typeof amounts !== "object" || amounts === null) return undefined
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => Number.isFinite(amount)))
}
