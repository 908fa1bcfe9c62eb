import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { isSameAddress } from "./address.ts"
import { afterCheck, checkTimesDefault, unprobed, type CheckTimes, type Health } from "./health.ts"
import {
  checkRegistration,
  checkReport,
  type Registration,
  registrationLimits,
  type Report,
  serverNameLabel,
} from "./registration.ts"
import { LostBackends } from "./lost-backends.ts"
import type { NotHeld, NotRegistered, RegistryError } from "./registry-errors.ts"
import type { Slots } from "./slots.ts"
import { emptySnapshot, type Member, type MemberState, type Snapshot } from "./snapshot.ts"

export interface RegistryOptions {
  readonly resources: ResourceTable
  readonly slots: Slots
  /**
   * Every registration gets the next generation from here on. Wall-clock milliseconds at start keep generations
   * from repeating over restarts of the balancer, as long as fewer than a thousand register per second.
   */
  readonly firstGeneration: number
  /** A lease lapses when it was not renewed for so long. */
  readonly ttlMs?: Millis
  /** How often a backend is asked to renew. */
  readonly renewMs?: Millis
  /** Without a renewal for so long, a member is suspect. */
  readonly suspectMs?: Millis
  readonly backendsMax?: number
  /** The port of the backends that announce as the seed's do. */
  readonly legacyPort?: number
  /** Such a backend, which announces before it listens, is dropped when no check has passed for so long. */
  readonly legacyGraceMs?: Millis
  readonly checkTimes?: CheckTimes
}

export const registryDefaults: Required<Omit<RegistryOptions, "resources" | "slots" | "firstGeneration">> = {
  ttlMs: 10_000,
  renewMs: 2_000,
  suspectMs: 5_000,
  backendsMax: 1_024,
  legacyPort: 80,
  legacyGraceMs: 60_000,
  checkTimes: checkTimesDefault,
}

/** What a backend is told of its lease. */
export interface Lease {
  readonly id: BackendId
  readonly generation: number
  readonly ttlMs: Millis
  readonly renewMs: Millis
  readonly state: MemberState
  /** The id was not a member before. */
  readonly created: boolean
}

export interface CheckOutcome {
  readonly passed: boolean
  /** Why not, for a person. */
  readonly error?: string | undefined
}

/** The facts of a member that change too often for a snapshot. */
export interface LeaseDetails {
  readonly keptBy: Member["keptBy"]
  readonly ttlMs: Millis
  /** How long until it lapses, ≥ 0; undefined where ping-acks keep it. */
  readonly expiresInMs: Millis | undefined
  /** As last reported, the resources it named. */
  readonly utilization: NamedAmounts | undefined
  readonly inFlight: number | undefined
  /** undefined while it is not draining. */
  readonly drainingForMs: Millis | undefined
  readonly health: Health
  readonly check: {
    readonly lastPassed: boolean | undefined
    readonly lastAgoMs: Millis | undefined
    readonly lastError: string | undefined
  }
}

/** What the registry knows of one member; `member` is the part that readers see, replaced when it changes. */
interface Entry {
  member: Member
  ttlMs: Millis
  renewedAt: Millis
  late: boolean
  drainingSince: Millis | undefined
  health: Health
  /** The failure that ejected it. */
  ejectedBy: string | undefined
  lastCheck: { readonly passed: boolean; readonly at: Millis; readonly error: string | undefined } | undefined
  utilization: NamedAmounts | undefined
  inFlight: number | undefined
}

/**
 * Which backends are members, and until when.
 *
 * A lease is held by a generation: a later registration of the same id takes it over (and keeps its row of the
 * load table), after which the earlier holder can neither renew nor end it. A backend that names an incarnation
 * is protected better: while it holds the lease, a lower one cannot take it over. The same incarnation may always come
 * back, because a partition looks just like that. An incarnation says nothing any more once its lease has ended: clocks
 * are set back, and one wrong number must not keep a backend out for longer than a lease.
 *
 * Leases end by leaving, by lapsing (only `expire` ends them, so a renewal that is in time for it counts), or,
 * for members kept by ping-acks, when their checks have taken them down. Cold: a call is O(1) but for `expire` and
 * `forgive`, and the snapshot is made when it is read, O(members): n backends that start together cost n, and n for
 * each snapshot that is read meanwhile.
 *
 * Prior art: leases, Gray and Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File
 * Cache Consistency", SOSP 1989; incarnations, Das, Gupta and Motivala, "SWIM", DSN 2002.
 */
export class Registry {
  readonly #options: Required<RegistryOptions>
  /** In order of registration. */
  readonly #entries = new Map<BackendId, Entry>()
  readonly #lost = new LostBackends()
  #nextGeneration: number
  /** The last that was made. */
  #snapshot: Snapshot = emptySnapshot
  #hasChanged = false

  constructor(options: RegistryOptions) {
    this.#options = { ...registryDefaults, ...options }
    this.#nextGeneration = options.firstGeneration
  }

  /** The membership now. A new object with the next version when something has changed since that readers see. */
  get snapshot(): Snapshot {
    if (this.#hasChanged) this.#snapshot = this.#made()
    this.#hasChanged = false
    return this.#snapshot
  }

  /**
   * Members that took traffic and have gone without leaving in order: their leases lapsed, or checks ended them, and
   * they were not draining. The last that has gone comes first; each is remembered for ten minutes, or until it comes
   * back.
   */
  lost(now: Millis): readonly BackendId[] {
    return this.#lost.ids(now)
  }

  /** The table that capacities name. */
  get resources(): ResourceTable {
    return this.#options.resources
  }

  /** The port of backends that announce as the seed's do. */
  get legacyPort(): number {
    return this.#options.legacyPort
  }

  /** The `checkTimes` it was made with. */
  get checkTimes(): CheckTimes {
    return this.#options.checkTimes
  }

  /**
   * A backend announces itself. From the same incarnation at the same address this is a renewal, with whatever
   * else changed; anything else is a new generation, which serves again even when the old one was draining. It
   * is probed anew when the address, the scheme or the incarnation is another, and keeps the health otherwise.
   */
  register(registration: Registration, now: Millis): Result<Lease, NotRegistered> {
    return this.#register(registration, "renewals", now)
  }

  /**
   * A backend of the seed announces itself, once and before it listens, from `host`. Announcing again replaces;
   * when its checks were failing meanwhile it has restarted, so it is probed anew with a fresh grace.
   */
  announce(host: string, capacity: NamedAmounts, now: Millis): Result<Lease, NotRegistered> {
    const address = { host, port: this.#options.legacyPort }
    return this.#register({ id: `seed-${host.replace("%", "-")}`, address, capacity }, "ping-acks", now)
  }

  /**
   * These are the backends that the configuration names, all of them: those that are new join, those that are named no
   * more leave. They hold no lease. Each is a member for as long as it is named, and serves while its checks pass; one
   * that is named as before stays as it is.
   *
   * @returns why those that could not join could not, in their order.
   */
  configure(named: readonly Registration[], now: Millis): NotRegistered[] {
    const ids = new Set<string>(named.map(({ id }) => id))
    for (const entry of this.#entries.values()) {
      if (isConfigured(entry) && !ids.has(entry.member.id)) this.#drop(entry)
    }
    return named.flatMap((registration) => {
      const lease = this.#register(registration, "configuration", now)
      return lease.ok ? [] : [lease.error]
    })
  }

  /** The holder is still there, and says how it is. */
  renew(id: string, report: Report, now: Millis): Result<Lease, NotHeld | RegistryError<"invalid_body">> {
    const found = this.#find(id, report.generation)
    if (!found.ok) return found
    const entry = found.value
    const refusal = checkReport(this.#options.resources, report, entry.member.capacity)
    if (refusal !== undefined) return refusal

    entry.renewedAt = now
    entry.late = false
    entry.utilization = report.utilization ?? entry.utilization
    entry.inFlight = report.inFlight ?? entry.inFlight
    const capacity =
      report.capacity === undefined ? undefined : { ...entry.member.capacity, ...report.capacity }
    this.#update(entry, capacity === undefined ? {} : { capacity })
    return ok(this.#lease(entry, false))
  }

  /** It gets nothing new and finishes what it has. */
  drain(id: string, generation: number | undefined, now: Millis): Result<Lease, NotHeld> {
    const found = this.#find(id, generation)
    if (!found.ok) return found
    found.value.drainingSince ??= now
    this.#update(found.value, {})
    return ok(this.#lease(found.value, false))
  }

  /** Takes a `drain` back. */
  undrain(id: string, generation?: number): Result<Lease, NotHeld> {
    const found = this.#find(id, generation)
    if (!found.ok) return found
    found.value.drainingSince = undefined
    this.#update(found.value, {})
    return ok(this.#lease(found.value, false))
  }

  /** It leaves at once; what it works on may finish. */
  remove(id: string, generation?: number): Result<undefined, NotHeld> {
    const found = this.#find(id, generation)
    if (!found.ok) return found
    if (isConfigured(found.value)) {
      const message = `${id} holds no lease that could end: the configuration names it`
      return fail({ code: "unknown_backend", message })
    }
    this.#drop(found.value)
    return ok(undefined)
  }

  /**
   * A check of this generation has ended. Returns the health after it, or undefined when there is nothing more
   * to check: the member has left, another generation holds the id, or this check has ended the lease.
   */
  checked(id: BackendId, generation: number, outcome: CheckOutcome, now: Millis): Health | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.member.generation !== generation) return undefined
    const before = entry.health
    entry.health = afterCheck(before, outcome.passed, this.#options.checkTimes)
    entry.lastCheck = { passed: outcome.passed, at: now, error: outcome.passed ? undefined : outcome.error }

    if (entry.health.condition === "ejected" && before.condition !== "ejected") {
      entry.ejectedBy = outcome.error
      if (entry.member.keptBy === "ping-acks") {
        this.#lose(entry, now)
        return undefined
      }
    }
    this.#update(entry, {})
    return entry.health
  }

  /**
   * Ends the leases that have lapsed, marks those that are late, and says when something will be due next
   * (undefined: nothing will). A registration may make something due earlier, so ask again after one.
   */
  expire(now: Millis): Millis | undefined {
    const gone: Entry[] = []
    const late: Entry[] = []
    let due = Infinity
    for (const entry of this.#entries.values()) {
      const lapsesAt = this.#lapsesAt(entry)
      const lateAt = entry.late || isKeptByChecks(entry) ? Infinity : entry.renewedAt + this.#suspectMs(entry)
      if (now >= lapsesAt) gone.push(entry)
      else if (now >= lateAt) late.push(entry)
      if (now < lapsesAt) due = Math.min(due, lapsesAt, now < lateAt ? lateAt : Infinity)
    }
    for (const entry of late) {
      entry.late = true
      this.#update(entry, {})
    }
    for (const entry of gone) this.#lose(entry, now)
    return due === Infinity ? undefined : due
  }

  /**
   * The balancer itself did not listen for `lateMs` (its process was stopped, its thread was busy), so no
   * renewal could reach it: leases last that much longer. Call it before `expire` when a timer came that late.
   */
  forgive(lateMs: Millis, now: Millis): void {
    for (const entry of this.#entries.values()) entry.renewedAt = Math.min(now, entry.renewedAt + lateMs)
  }

  /** The ticking facts of a member, for the page; undefined when there is no such member. */
  details(id: BackendId, now: Millis): LeaseDetails | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    const last = entry.lastCheck
    return {
      keptBy: entry.member.keptBy,
      ttlMs: entry.ttlMs,
      expiresInMs: isKeptByChecks(entry) ? undefined : Math.max(0, this.#lapsesAt(entry) - now),
      utilization: entry.utilization,
      inFlight: entry.inFlight,
      drainingForMs: entry.drainingSince === undefined ? undefined : now - entry.drainingSince,
      health: entry.health,
      check: {
        lastPassed: last?.passed,
        lastAgoMs: last === undefined ? undefined : now - last.at,
        lastError: last?.error,
      },
    }
  }

  #register(registration: Registration, keptBy: Member["keptBy"], now: Millis): Result<Lease, NotRegistered> {
    const checked = checkRegistration(this.#options.resources, registration)
    if (!checked.ok) return checked
    const id = checked.value
    const known = this.#entries.get(id)
    if (known !== undefined && isConfigured(known) && keptBy !== "configuration") {
      return fail({
        code: "configured_backend",
        message: `the configuration names a backend with the id ${id}`,
      })
    }
    const { incarnation } = registration
    const stale = this.#staleness(known, incarnation, now)
    if (stale !== undefined) return stale

    const sameProcess =
      known !== undefined &&
      incarnation === known.member.incarnation &&
      isSamePlace(registration, known.member)
    const renews = incarnation !== undefined || keptBy === "configuration"
    if (sameProcess && renews && known.member.keptBy === keptBy) {
      known.ttlMs = registration.ttlMs ?? this.#options.ttlMs
      known.renewedAt = now
      known.late = false
      this.#update(known, factsOf(registration))
      return ok(this.#lease(known, false))
    }

    const slot = known?.member.slot ?? this.#allocate()
    if (slot === undefined) {
      return fail({
        code: "too_many_backends",
        message: `there are ${this.#entries.size} members and no room for another now (registration.backendsMax is ${this.#options.backendsMax})`,
      })
    }
    // The seed announces a restarted backend before it listens: failures then are old news, not a verdict.
    const restarted = keptBy === "ping-acks" && known !== undefined && known.health.failures > 0
    const keepsHealth = sameProcess && !restarted
    const entry: Entry = {
      member: {
        ...factsOf(registration),
        id,
        slot,
        generation: this.#nextGeneration++,
        state: "probing",
        reason: "",
        keptBy,
      },
      ttlMs: registration.ttlMs ?? this.#options.ttlMs,
      renewedAt: now,
      late: false,
      drainingSince: undefined,
      health: keepsHealth ? known.health : unprobed,
      ejectedBy: keepsHealth ? known.ejectedBy : undefined,
      lastCheck: keepsHealth ? known.lastCheck : undefined,
      utilization: undefined,
      inFlight: undefined,
    }
    this.#entries.set(id, entry)
    this.#lost.delete(id)
    this.#update(entry, {})
    return ok(this.#lease(entry, known === undefined))
  }

  /** The refusal of an incarnation that is lower than the holder's, while that decides. */
  #staleness(
    holder: Entry | undefined,
    incarnation: number | undefined,
    now: Millis,
  ): Result<never, NotRegistered> | undefined {
    const held = holder?.member.incarnation
    if (holder === undefined || held === undefined || incarnation === undefined || incarnation >= held) {
      return undefined
    }
    if (this.#decidesUntil(holder) <= now) return undefined
    const { id } = holder.member
    const message = `incarnation ${held} of ${id} holds the lease; ${incarnation} can take it over when that has ended`
    return fail({ code: "stale_incarnation", message, path: "incarnation" })
  }

  /** An incarnation that no check has passed, or whose checks fail, decides for no longer than a usual lease. */
  #decidesUntil(holder: Entry): Millis {
    const lapsesAt = this.#lapsesAt(holder)
    if (holder.health.condition === "healthy") return lapsesAt
    return Math.min(lapsesAt, holder.renewedAt + this.#options.ttlMs)
  }

  #allocate(): number | undefined {
    return this.#entries.size < this.#options.backendsMax ? this.#options.slots.allocate() : undefined
  }

  #find(id: string, generation: number | undefined): Result<Entry, NotHeld> {
    const entry = this.#entries.get(id as BackendId)
    if (entry === undefined) {
      return fail({ code: "unknown_backend", message: `no member has the id ${JSON.stringify(id)}` })
    }
    const current = entry.member.generation
    if (generation !== undefined && generation !== current) {
      return fail({
        code: "stale_generation",
        message: `generation ${generation} of ${id} does not hold the lease, ${current} does`,
        path: "generation",
      })
    }
    return ok(entry)
  }

  /** It has gone without leaving in order; one that has never served, or was to go, is not missed. */
  #lose(entry: Entry, now: Millis): void {
    const { id, state } = entry.member
    if (state !== "draining" && state !== "probing") this.#lost.add(id, now)
    this.#drop(entry)
  }

  #drop({ member }: Entry): void {
    this.#entries.delete(member.id)
    this.#hasChanged = true
    // Whichever snapshot is made next is the first without it.
    this.#options.slots.retire(member.slot, this.#snapshot.version + 1)
  }

  #update(entry: Entry, changes: Partial<Member>): void {
    if (this.#refresh(entry, changes)) this.#hasChanged = true
  }

  /** Brings what readers see of the entry up to date; whether that is anything new to them. */
  #refresh(entry: Entry, changes: Partial<Member>): boolean {
    const state = stateOf(entry)
    const reason = this.#reason(entry, state)
    const next = { ...entry.member, ...changes, state, reason }
    if (isSame(entry.member, next)) return false
    entry.member = Object.freeze(next)
    return true
  }

  #made(): Snapshot {
    const members = Array.from(this.#entries.values(), (entry) => entry.member)
    const serving = members.filter((member) => member.state === "serving")
    const eligible = serving.length > 0 ? serving : members.filter((member) => member.state === "suspect")
    return Object.freeze({
      version: this.#snapshot.version + 1,
      members: Object.freeze(members),
      eligible: Object.freeze(eligible),
    })
  }

  #lease(entry: Entry, created: boolean): Lease {
    const { id, generation, state } = entry.member
    const renewMs = Math.round(this.#scaled(entry, this.#options.renewMs))
    return { id, generation, ttlMs: entry.ttlMs, renewMs, state, created }
  }

  /** Never in so many words for those kept by ping-acks: they lapse only while no check has passed. */
  #lapsesAt(entry: Entry): Millis {
    if (isConfigured(entry)) return Infinity
    if (!isKeptByChecks(entry)) return entry.renewedAt + entry.ttlMs
    const isWaiting = entry.health.condition === "probing"
    return isWaiting ? entry.renewedAt + this.#options.legacyGraceMs : Infinity
  }

  #suspectMs(entry: Entry): Millis {
    return this.#scaled(entry, this.#options.suspectMs)
  }

  /** A time that was set for the default ttl, in the same proportion to this member's own. */
  #scaled(entry: Entry, ms: Millis): Millis {
    return (ms * entry.ttlMs) / this.#options.ttlMs
  }

  /** No ticking numbers here: the sentence is part of the snapshot. */
  #reason(entry: Entry, state: MemberState): string {
    switch (state) {
      case "draining":
        return "it was asked to drain"
      case "probing":
        return isConfigured(entry)
          ? "no check has passed yet"
          : "it has announced itself, and no check has passed yet"
      case "ejected":
        return `${this.#options.checkTimes.fall} checks in a row failed: ${entry.ejectedBy ?? "no cause given"}`
      case "suspect":
        return `no renewal for ${this.#suspectMs(entry) / 1_000} s`
      case "serving":
        return isKeptByChecks(entry) ? "its checks pass" : "its lease is fresh and its checks pass"
    }
  }
}

function stateOf(entry: Entry): MemberState {
  if (entry.drainingSince !== undefined) return "draining"
  if (entry.health.condition !== "healthy") return entry.health.condition
  return entry.late ? "suspect" : "serving"
}

/** What a registration says that readers see. Copied, so that no other code can change it. */
function factsOf(
  registration: Registration,
): Pick<
  Member,
  "address" | "capacity" | "check" | "incarnation" | "labels" | "scheme" | "version" | "weight" | "zone"
> {
  return {
    incarnation: registration.incarnation,
    address: Object.freeze({ ...registration.address }),
    scheme: registration.scheme ?? "http",
    capacity: Object.freeze({ ...registration.capacity }),
    weight: registration.weight ?? registrationLimits.weightDefault,
    zone: registration.zone,
    version: registration.version,
    labels: Object.freeze({ ...registration.labels }),
    check: registration.check,
  }
}

/** Whether connections and checks that are right for the member are right for what it announces now. */
function isSamePlace({ address, scheme = "http", labels }: Registration, member: Member): boolean {
  return (
    isSameAddress(address, member.address) &&
    scheme === member.scheme &&
    labels?.[serverNameLabel] === member.labels[serverNameLabel]
  )
}

function isKeptByChecks(entry: Entry): boolean {
  return entry.member.keptBy !== "renewals"
}

function isConfigured(entry: Entry): boolean {
  return entry.member.keptBy === "configuration"
}

/** Members are plain data, written in one order of fields. */
function isSame(a: Member, b: Member): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
