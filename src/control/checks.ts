/**
 * Ping-acks: asks every member, on a schedule of its own and all of them at once, whether it is up. What a response
 * means is decided by membership/health.ts; this only asks, within a time limit, and tells the registry.
 */
import { type CheckTimes, nextCheckMs } from "../membership/health.ts"
import type { CheckOutcome, Registry } from "../membership/registry.ts"
import type { Check, Snapshot } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"
import { type Destination, type Dialer } from "../proxy/backends/dial.ts"
import { isLocalShortage } from "../net/dialling.ts"
import type { Timers } from "../system.ts"
import { ask, reasonOf } from "./ask.ts"
import { type Watch, Watches } from "./watches.ts"

/**
 * Asks once, by `check` if it is given; resolves with the outcome, never rejects. Undefined is no verdict: this machine
 * could not ask. `signal` ends it early.
 */
export type Probe = (
  destination: Destination,
  timeoutMs: Millis,
  signal: AbortSignal,
  check?: Check,
) => Promise<CheckOutcome | undefined>

export interface CheckerOptions {
  readonly registry: Registry
  /** How one member is asked: `probeOf` in the product. */
  readonly probe: Probe
  readonly clock: Clock
  readonly rng: Rng
  readonly timers: Timers
  /** Checks at one time, when they are to be fewer than `concurrentMax`. */
  readonly concurrentMax?: number
  /** The registry may have a new snapshot. */
  onChange(): void
  /** Told of failures that are bugs. Checks go on. */
  readonly onBug?: (error: unknown) => void
}

/** Checks that run at one time; those beyond it are asked again a moment later. */
const concurrentMax = 256
const crowdedMs = 100
/** Of the head of a response. */
const headBytesMax = 16 * 1024

export class Checker {
  readonly #options: CheckerOptions
  readonly #times: CheckTimes
  readonly #watches: Watches<CheckOutcome | undefined>

  constructor(options: CheckerOptions) {
    const { clock, probe, registry, timers } = options
    this.#options = options
    this.#times = registry.checkTimes
    this.#watches = new Watches(
      {
        concurrentMax: Math.min(concurrentMax, options.concurrentMax ?? concurrentMax),
        firstMs: () => 0,
        ask: ({ check, destination }, signal) => probe(destination, this.#times.timeoutMs, signal, check),
        answered: (watch, outcome) => this.#answered(watch, outcome),
        crowded: (watch) => this.#watches.schedule(watch, crowdedMs),
      },
      clock,
      timers,
      options.onBug,
    )
  }

  /** Takes a new membership: a new member is asked at once, one that has gone no more. */
  follow(snapshot: Snapshot): void {
    this.#watches.follow(snapshot)
  }

  /**
   * Traffic has failed to connect: asks now rather than when it is due, but no sooner than the fast interval after
   * the last time.
   */
  checkNow(id: BackendId): void {
    const watch = this.#watches.get(id)
    if (watch === undefined || watch.asking !== undefined) return
    const now = this.#options.clock.now()
    const at = Math.max(now, watch.askedAt + Math.min(this.#times.fastIntervalMs, this.#times.intervalMs))
    if (at < watch.dueAt) this.#watches.schedule(watch, at - now)
  }

  close(): void {
    this.#watches.close()
  }

  #answered(watch: Watch, outcome: CheckOutcome | undefined): void {
    const { clock, registry, rng } = this.#options
    if (outcome === undefined) {
      this.#watches.schedule(watch, this.#times.fastIntervalMs)
      return
    }
    const health = registry.checked(watch.id, watch.generation, outcome, clock.now())
    if (health !== undefined) this.#watches.schedule(watch, nextCheckMs(health, this.#times, rng))
    this.#options.onChange()
  }
}

/**
 * Asks over connections that the dialer makes as it makes those of the exchanges.
 *
 * @param usual of backends that have no check of their own
 */
export function probeOf(usual: Check, dialer: Dialer): Probe {
  return (destination, ms, signal, check = usual) =>
    check.kind === "tcp"
      ? probeTcp(dialer, destination, ms, signal)
      : probeHttp(dialer, destination, check, ms, signal)
}

/** Whether a connection opens, its TLS handshake included where there is one. Nothing is asked on it. */
function probeTcp(
  dialer: Dialer,
  destination: Destination,
  timeoutMs: Millis,
  signal: AbortSignal,
): Promise<CheckOutcome | undefined> {
  return new Promise((resolve) => {
    const late = AbortSignal.timeout(timeoutMs)
    const ended = AbortSignal.any([signal, late])
    const callOff = dialer.dial(destination, {
      onOpen: (socket) => {
        socket.on("error", () => {})
        socket.destroy()
        resolve({ passed: true })
      },
      onFailed: (_code, error) => {
        resolve(isLocalShortage(error) ? undefined : { passed: false, error: reasonOf(error) })
      },
    })
    ended.addEventListener("abort", () => {
      callOff()
      resolve({ passed: false, error: `no connection within ${timeoutMs} ms` })
    })
  })
}

/**
 * Whether the response to a GET comes in time, with a whole head and a status that passes. A redirect is not followed.
 */
async function probeHttp(
  dialer: Dialer,
  destination: Destination,
  { path, statuses }: Extract<Check, { readonly kind: "http" }>,
  timeoutMs: Millis,
  signal: AbortSignal,
): Promise<CheckOutcome | undefined> {
  const question = { path, agent: "linebacker-check", timeoutMs, headBytesMax }
  const answer = await ask(dialer, destination, question, signal)
  if (!answer.ok) {
    const { isOurs, reason } = answer.error
    return isOurs ? undefined : { passed: false, error: reason }
  }
  const { status } = answer.value
  const passed = statuses.some(({ from, to }) => status >= from && status <= to)
  return passed ? { passed } : { passed, error: `GET ${path} returned ${status}` }
}
