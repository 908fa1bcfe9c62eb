/**
 * Which backends are members, by the rules of production: the registry of `membership/`, fed in virtual time.
 *
 * All balancers hear the same announcements at the same time, so one registry stands for those of all. A backend that
 * lives renews in time and passes its checks, which changes nothing: such renewals and checks are played only where
 * their absence would be seen, that is while a backend is down. So membership costs nothing while nothing happens.
 */
import type { LoadTable } from "../../placing/load-table.ts"
import { type CheckTimes, checkTimesDefault, nextCheckMs } from "../../membership/health.ts"
import { Registry, registryDefaults } from "../../membership/registry.ts"
import type { Slots } from "../../membership/slots.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import type { BackendId } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { ResourceTable } from "../../core/resources.ts"
import type { Rng } from "../../core/rng.ts"
import type { FleetBackend } from "./fleet.ts"

/** Where one backend stands with the registry. */
interface Standing {
  /** 0 before it has announced itself. */
  incarnation: number
  generation: number
  registeredAt: Millis
  phase: "absent" | "serving" | "draining" | "down"
  /** While it is down: its last renewal, its last and its next check, and when its lease is late, then lapses. */
  renewedAt: Millis
  askedAt: Millis
  checkAt: Millis
  leaseAt: Millis
}

export class Membership {
  readonly #backends: readonly FleetBackend[]
  readonly #registry: Registry
  readonly #rng: Rng
  readonly #times: CheckTimes
  readonly #standings: Standing[]

  constructor(
    resources: ResourceTable,
    backends: readonly FleetBackend[],
    slots: Slots,
    rng: Rng,
    times: CheckTimes = checkTimesDefault,
  ) {
    this.#backends = backends
    this.#rng = rng
    this.#times = times
    this.#registry = new Registry({
      resources,
      slots,
      firstGeneration: 1,
      backendsMax: backends.length,
      checkTimes: times,
    })
    this.#standings = backends.map(() => ({
      incarnation: 0,
      generation: 0,
      registeredAt: 0,
      phase: "absent",
      renewedAt: 0,
      askedAt: -Infinity,
      checkAt: Infinity,
      leaseAt: Infinity,
    }))
  }

  get snapshot(): Snapshot {
    return this.#registry.snapshot
  }

  /** It announces itself, for the first time or after a restart, and passes its first check. */
  join(backend: number, now: Millis): void {
    const { group, name, registered } = this.#backends[backend]!
    const standing = this.#standings[backend]!
    standing.incarnation++
    const lease = this.#registry.register(
      {
        id: name,
        address: { host: addressOf(backend), port: 80 },
        capacity: registered,
        weight: group.weight,
        zone: group.zone,
        labels: { tier: `${group.tier}` },
        incarnation: standing.incarnation,
      },
      now,
    )
    if (!lease.ok) throw new RangeError(`${name} cannot be registered: ${lease.error.message}`)
    standing.generation = lease.value.generation
    standing.registeredAt = now
    standing.phase = "serving"
    standing.checkAt = Infinity
    this.#registry.checked(name as BackendId, standing.generation, { passed: true }, now)
  }

  /** It asks for no more requests. `leave` must follow once it has ended what it has. */
  drain(backend: number, now: Millis): void {
    const standing = this.#standings[backend]!
    if (standing.phase !== "serving") {
      standing.phase = "absent"
      return
    }
    standing.phase = "draining"
    this.#registry.drain(this.#backends[backend]!.name, standing.generation, now)
  }

  isDraining(backend: number): boolean {
    return this.#standings[backend]!.phase === "draining"
  }

  isAbsent(backend: number): boolean {
    return this.#standings[backend]!.phase === "absent"
  }

  leave(backend: number): void {
    const standing = this.#standings[backend]!
    standing.phase = "absent"
    this.#registry.remove(this.#backends[backend]!.name, standing.generation)
  }

  /** It neither responds nor renews any more. One that was draining has left with that. */
  crash(backend: number, now: Millis): void {
    const standing = this.#standings[backend]!
    if (standing.phase === "draining") this.leave(backend)
    if (standing.phase !== "serving") return
    standing.phase = "down"
    this.#renew(backend, now)
    standing.leaseAt = standing.renewedAt + registryDefaults.suspectMs
    // Its checks go on in the phase that they happen to have.
    standing.askedAt = now - this.#rng.next() * this.#times.intervalMs
    standing.checkAt = standing.askedAt + this.#times.intervalMs
  }

  /** It is back, as a new process. Nothing when it had left, or has never been there. */
  restart(backend: number, now: Millis): void {
    if (this.#standings[backend]!.phase === "down") this.join(backend, now)
  }

  /** A balancer could not connect to it: it is checked soon. */
  suspect(backend: number, now: Millis): void {
    const standing = this.#standings[backend]!
    if (standing.phase !== "down" || standing.checkAt === Infinity) return
    standing.checkAt = Math.min(
      standing.checkAt,
      Math.max(now, standing.askedAt + this.#times.fastIntervalMs),
    )
  }

  /** When something is due by itself; Infinity when nothing is. */
  get dueAt(): Millis {
    let due = Infinity
    for (const standing of this.#standings) {
      if (standing.phase === "down") due = Math.min(due, standing.checkAt, standing.leaseAt)
    }
    return due
  }

  /** Checks the backends that are down and ends leases, as far as that is due. */
  pass(now: Millis): void {
    let leaseIsDue = false
    for (const [index, standing] of this.#standings.entries()) {
      if (standing.phase !== "down") continue
      if (now >= standing.leaseAt) {
        leaseIsDue = true
        const lapsesAt = standing.renewedAt + registryDefaults.ttlMs
        standing.leaseAt = now < lapsesAt ? lapsesAt : Infinity
      }
      if (now < standing.checkAt) continue
      standing.askedAt = now
      const id = this.#backends[index]!.name as BackendId
      const outcome = { passed: false, error: "connection refused" }
      const health = this.#registry.checked(id, standing.generation, outcome, now)
      standing.checkAt = health === undefined ? Infinity : now + nextCheckMs(health, this.#times, this.#rng)
    }
    if (leaseIsDue) this.#expire(now)
  }

  /** Renews all that live, as they have done all the time, and ends what has lapsed. */
  #expire(now: Millis): void {
    for (const [backend, { phase }] of this.#standings.entries()) {
      if (phase === "serving" || phase === "draining") this.#renew(backend, now)
    }
    this.#registry.expire(now)
  }

  /** The last renewal that was due until now. */
  #renew(backend: number, now: Millis): void {
    const { renewMs } = registryDefaults
    const standing = this.#standings[backend]!
    const renewals = Math.floor((now - standing.registeredAt) / renewMs)
    standing.renewedAt = standing.registeredAt + renewals * renewMs
    const { name } = this.#backends[backend]!
    this.#registry.renew(name, { generation: standing.generation }, standing.renewedAt)
  }
}

/**
 * Rows of the load tables of all balancers. A row is given out again once nothing is in flight on it anywhere; all
 * balancers take a new snapshot at the moment it is made, so there is nothing else to wait for.
 */
export class SimulatedSlots implements Slots {
  readonly #tables: readonly LoadTable[]
  readonly #free: number[] = []
  readonly #retired: number[] = []

  constructor(tables: readonly LoadTable[], slots: number) {
    this.#tables = tables
    for (let slot = slots - 1; slot >= 0; slot--) this.#free.push(slot)
  }

  allocate(): number | undefined {
    const idle = this.#retired.findIndex((slot) => this.#tables.every((table) => table.isIdle(slot)))
    if (idle !== -1) this.#free.push(...this.#retired.splice(idle, 1))
    return this.#free.pop()
  }

  retire(slot: number): void {
    this.#retired.push(slot)
  }
}

/** A private address for each backend. */
function addressOf(backend: number): string {
  return `10.${backend >> 16}.${(backend >> 8) & 255}.${backend & 255}`
}
