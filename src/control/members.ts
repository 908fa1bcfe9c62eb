/** The members: announced, checked, asked for load reports; and the snapshots of them that go out. Cold. */
import type { Config } from "../config/config.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { Rng } from "../core/rng.ts"
import { checkTimesDefault } from "../membership/health.ts"
import type { Registration } from "../membership/registration.ts"
import type { NotRegistered } from "../membership/registry-errors.ts"
import { Registry } from "../membership/registry.ts"
import type { Slots } from "../membership/slots.ts"
import { emptySnapshot, type Snapshot } from "../membership/snapshot.ts"
import type { Dialer } from "../proxy/backends/dial.ts"
import type { Timers } from "../system.ts"
import type { Bugs } from "./bugs.ts"
import { Checker, probeOf } from "./checks.ts"
import { LoadPolls } from "./load-polls.ts"
import { Paced } from "./paced.ts"

/** How often leases are looked at. Nothing waits for it longer than this. */
export const tickMs: Millis = 250

export interface MembersParts {
  readonly config: Pick<Config, "resources" | "registration" | "checks" | "upstream">
  readonly slots: Slots
  /** The generation of the first registration: `RegistryOptions.firstGeneration`. */
  readonly firstGeneration: number
  readonly dialer: Dialer
  readonly clock: Clock
  readonly rng: () => Rng
  readonly timers: Timers
  readonly bugs: Bugs
  /** Checks and polls at one time together; undefined: as many as there usually are. */
  readonly asksMax: number | undefined
  onSnapshot(snapshot: Snapshot, before: Snapshot): void
  onReport(id: BackendId, report: LoadReport): void
}

export class Members {
  readonly registry: Registry
  readonly #parts: MembersParts
  readonly #checker: Checker
  readonly #polls: LoadPolls | undefined
  readonly #publishing: Paced
  #published: Snapshot = emptySnapshot
  /** NaN before the first. */
  #tickedAt: Millis = NaN

  constructor(parts: MembersParts) {
    const { config, clock, timers, dialer, bugs, asksMax } = parts
    const { loadReports } = config.upstream
    this.#parts = parts
    this.registry = registryOf(parts)
    const half = asksMax === undefined ? {} : { concurrentMax: Math.ceil(asksMax / 2) }
    const shared = { clock, timers, dialer, ...half }
    this.#checker = new Checker({
      ...shared,
      rng: parts.rng(),
      registry: this.registry,
      probe: probeOf(config.checks, dialer),
      onChange: () => this.changed(),
      onBug: (error) => bugs.report("the checks", error),
    })
    this.#polls =
      loadReports &&
      new LoadPolls({
        ...shared,
        ...loadReports,
        rng: parts.rng(),
        resources: config.resources,
        onReport: (id, report) => parts.onReport(id, report),
        onBug: (error) => bugs.report("the polls for load reports", error),
      })
    this.#publishing = new Paced(
      () => this.#publish(),
      () => spacingMs(this.#published.members.length),
      clock,
      timers,
    )
  }

  get snapshot(): Snapshot {
    return this.registry.snapshot
  }

  /** Why this backend could not be asked for a load report. */
  pollError(id: BackendId): string | undefined {
    return this.#polls?.errorOf(id)
  }

  /** The backends that hold no lease, all of them: see `Registry.configure`. */
  configure(backends: readonly Registration[]): readonly NotRegistered[] {
    const refused = this.registry.configure(backends, this.#parts.clock.now())
    this.changed()
    return refused
  }

  /** The registry may have a new snapshot: it goes out soon. */
  changed(): void {
    this.#publishing.ask()
  }

  /** Traffic has failed to connect. */
  connectFailed(id: BackendId): void {
    this.#checker.checkNow(id)
  }

  /** To be called each `tickMs`: ends leases that have lapsed. */
  tick(now: Millis): void {
    // Renewals could not be heard while this thread stood still: leases last that much longer.
    const lateMs = now - this.#tickedAt - tickMs
    this.#tickedAt = now
    if (lateMs > tickMs) this.registry.forgive(lateMs, now)
    this.registry.expire(now)
    this.changed()
  }

  close(): void {
    this.#publishing.close()
    this.#checker.close()
    this.#polls?.close()
  }

  /** Passes a new membership on. What one of its readers throws must not keep the others from it. */
  #publish(): void {
    const { snapshot } = this.registry
    const before = this.#published
    if (snapshot.version === before.version) return
    this.#published = snapshot
    const { bugs } = this.#parts
    bugs.guard("the snapshots", () => this.#parts.onSnapshot(snapshot, before))
    bugs.guard("the checks", () => this.#checker.follow(snapshot))
    bugs.guard("the polls for load reports", () => this.#polls?.follow(snapshot))
  }
}

/**
 * The least time between two snapshots, for so many members. Each snapshot is copied to every thread and gone through
 * there, which takes time that grows with the members, so that the spacing does too: to follow a fleet that starts
 * costs a small part of a core, however large it is. The first change after a quiet time waits for nothing.
 */
function spacingMs(members: number): Millis {
  return Math.min(Math.max(20, members / 10), tickMs)
}

function registryOf({ config, slots, firstGeneration }: MembersParts): Registry {
  const { resources, registration, checks } = config
  return new Registry({
    ...registration,
    resources,
    slots,
    firstGeneration,
    checkTimes: { ...checks, fastIntervalMs: Math.min(checkTimesDefault.fastIntervalMs, checks.intervalMs) },
  })
}
