/**
 * Ping-acks: asks every member, on a schedule of its own and all of them at once, whether it is up. What an
 * answer means is cluster/health.ts's matter; this only asks, within a time limit, and tells the registry.
 */
import { request } from "node:http"
import { addAbortSignal } from "node:stream"
import { formatAddress } from "../cluster/address.ts"
import { type CheckTimes, nextCheckMs } from "../cluster/health.ts"
import type { CheckOutcome, Registry } from "../cluster/registry.ts"
import type { Member, Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"
import { type Destination, destinationOf, type Dialer, isLocalShortage } from "../proxy/dial.ts"
import type { Timers } from "../system.ts"

/** `tcp`: a connection opens, as in the seed. `http`: a GET of `path` is answered with 2xx or 3xx. */
export type CheckKind = { readonly kind: "tcp" } | { readonly kind: "http"; readonly path: string }

/**
 * Asks once; resolves with the outcome, never rejects. Undefined is no verdict: this machine could not ask. `signal`
 * ends it early.
 */
export type Probe = (
  destination: Destination,
  timeoutMs: Millis,
  signal: AbortSignal,
) => Promise<CheckOutcome | undefined>

export interface CheckerOptions {
  readonly registry: Registry
  readonly check: CheckKind
  /** Connects as the exchanges do. */
  readonly dialer: Dialer
  readonly clock: Clock
  readonly rng: Rng
  readonly timers: Timers
  /** Another way to ask, for tests. */
  readonly probe?: Probe
  /** The registry may have a new snapshot. */
  onChange(): void
}

/** Checks that run at one time; those beyond it are asked again a moment later. */
export const concurrentMax = 256
const crowdedMs = 100

interface Watch {
  readonly generation: number
  readonly destination: Destination
  /** When the last check began. */
  askedAt: Millis
  /** When the next is due. */
  dueAt: Millis
  cancelTimer: (() => void) | undefined
  running: AbortController | undefined
}

export class Checker {
  readonly #options: CheckerOptions
  readonly #times: CheckTimes
  readonly #probe: Probe
  readonly #watches = new Map<BackendId, Watch>()
  #running = 0
  #closed = false

  constructor(options: CheckerOptions) {
    this.#options = options
    this.#times = options.registry.checkTimes
    this.#probe = options.probe ?? probeOf(options.check, options.dialer)
  }

  /** Takes a new membership: who is new is asked at once, who has gone no more. */
  follow(snapshot: Snapshot): void {
    if (this.#closed) return
    const present = new Set<BackendId>()
    for (const member of snapshot.members) {
      present.add(member.id)
      if (this.#watches.get(member.id)?.generation !== member.generation) this.#begin(member)
    }
    for (const id of this.#watches.keys()) if (!present.has(id)) this.#end(id)
  }

  /**
   * Traffic has failed to connect: asks now rather than when it is due, but no sooner than the fast interval after
   * the last time.
   */
  checkNow(id: BackendId): void {
    const watch = this.#watches.get(id)
    if (watch === undefined || watch.running !== undefined) return
    const now = this.#options.clock.now()
    const at = Math.max(now, watch.askedAt + Math.min(this.#times.fastIntervalMs, this.#times.intervalMs))
    if (at < watch.dueAt) this.#schedule(id, watch, at - now)
  }

  close(): void {
    this.#closed = true
    for (const id of this.#watches.keys()) this.#end(id)
  }

  #begin(member: Member): void {
    this.#end(member.id)
    const watch: Watch = {
      generation: member.generation,
      destination: destinationOf(member),
      askedAt: Number.NEGATIVE_INFINITY,
      dueAt: Number.POSITIVE_INFINITY,
      cancelTimer: undefined,
      running: undefined,
    }
    this.#watches.set(member.id, watch)
    this.#schedule(member.id, watch, 0)
  }

  #end(id: BackendId): void {
    const watch = this.#watches.get(id)
    this.#watches.delete(id)
    watch?.cancelTimer?.()
    watch?.running?.abort()
  }

  #schedule(id: BackendId, watch: Watch, ms: Millis): void {
    watch.cancelTimer?.()
    watch.dueAt = this.#options.clock.now() + ms
    watch.cancelTimer = this.#options.timers.set(ms, () => void this.#ask(id, watch), { unref: true })
  }

  async #ask(id: BackendId, watch: Watch): Promise<void> {
    watch.cancelTimer = undefined
    if (this.#running >= concurrentMax) {
      this.#schedule(id, watch, crowdedMs)
      return
    }
    const { clock, registry, rng } = this.#options
    const controller = new AbortController()
    watch.running = controller
    watch.askedAt = clock.now()
    watch.dueAt = Number.POSITIVE_INFINITY
    this.#running++
    const outcome = await this.#probe(watch.destination, this.#times.timeoutMs, controller.signal)
    this.#running--
    watch.running = undefined
    // It has left, or registered anew, while it was asked: the answer is about somebody else.
    if (this.#watches.get(id) !== watch) return
    if (outcome === undefined) {
      this.#schedule(id, watch, this.#times.fastIntervalMs)
      return
    }
    const health = registry.checked(id, watch.generation, outcome, clock.now())
    if (health !== undefined) this.#schedule(id, watch, nextCheckMs(health, this.#times, rng))
    this.#options.onChange()
  }
}

function probeOf(check: CheckKind, dialer: Dialer): Probe {
  return check.kind === "tcp"
    ? (destination, ms, signal) => probeTcp(dialer, destination, ms, signal)
    : (destination, ms, signal) => probeHttp(dialer, destination, check.path, ms, signal)
}

/** Whether a connection opens, its TLS handshake included where there is one. Nothing is asked on it. */
export function probeTcp(
  dialer: Dialer,
  destination: Destination,
  timeoutMs: Millis,
  signal: AbortSignal,
): Promise<CheckOutcome | undefined> {
  return new Promise((resolve) => {
    const late = AbortSignal.timeout(timeoutMs)
    const socket = dialer.dial(destination)
    const pass = (): void => {
      resolve({ passed: true })
      socket.destroy()
    }
    socket.on(destination.secure ? "secureConnect" : "connect", pass)
    socket.on("error", (error) => {
      const reason = late.aborted ? `no connection within ${timeoutMs} ms` : reasonOf(error)
      resolve(isLocalShortage(error) ? undefined : { passed: false, error: reason })
    })
    addAbortSignal(AbortSignal.any([signal, late]), socket)
  })
}

/** Whether a GET of `path` is answered with 2xx or 3xx, head and all, in time. The body is not read. */
export function probeHttp(
  dialer: Dialer,
  destination: Destination,
  path: string,
  timeoutMs: Millis,
  signal: AbortSignal,
): Promise<CheckOutcome | undefined> {
  return new Promise((resolve) => {
    const late = AbortSignal.timeout(timeoutMs)
    const call = request({
      createConnection: () => dialer.dial(destination),
      path,
      headers: { Host: hostOf(destination), "User-Agent": "linebacker-check", Connection: "close" },
      signal: AbortSignal.any([signal, late]),
    })
    const settle = (outcome: CheckOutcome | undefined): void => {
      resolve(outcome)
      call.destroy()
    }
    call.on("response", ({ statusCode = 0 }) => {
      const passed = statusCode >= 200 && statusCode < 400
      settle(passed ? { passed } : { passed, error: `GET ${path} was answered with ${statusCode}` })
    })
    call.on("error", (error) => {
      const reason = late.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error)
      settle(isLocalShortage(error) ? undefined : { passed: false, error: reason })
    })
    call.end()
  })
}

/** The Host of a check: the address, its port left out where it is the scheme's own (RFC 9110 7.2). */
export function hostOf({ address, secure }: Destination): string {
  if ("path" in address) return "localhost"
  const text = formatAddress(address)
  return address.port === (secure ? 443 : 80) ? text.slice(0, text.lastIndexOf(":")) : text
}

const reasons: Readonly<Partial<Record<string, string>>> = {
  EACCES: "permission denied",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENOENT: "no such socket",
  ENOTFOUND: "no such host",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is from an unknown authority",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
}

/** Why a connection failed, for a person. */
export function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return reasons[code ?? ""] ?? code ?? message
}
