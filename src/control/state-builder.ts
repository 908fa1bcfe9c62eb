/** What is known now, as the page and the admin API show it. Cold: asked for a few times per second at most. */
import { formatAddress } from "../membership/address.ts"
import type { LoadTable } from "../placing/load-table.ts"
import type { Registry } from "../membership/registry.ts"
import type { LearnedBackend, LearnedDemand, LearnedRoute, LearnedView } from "../learning/learner.ts"
import type { Member } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import type { Counters } from "../metrics/counters.ts"
import { Rates } from "../metrics/rates.ts"
import { Recent } from "../metrics/recent.ts"
import { errorCodes, errors } from "../core/errors.ts"
import { judge, type Judged, type RecentTraffic } from "./verdict.ts"
import type { BackendView, DemandView, RouteView, StateView } from "./state-view.ts"

export interface StateSources {
  readonly version: string
  readonly resources: ResourceTable
  readonly registry: Registry
  readonly table: LoadTable
  readonly counters: Counters
  readonly clock: Clock
  /** The wall clock, ISO 8601. */
  readonly isoTime: () => string
  readonly demandMode: "simulation" | "declared"
  readonly learned: (now: Millis) => LearnedView
  /** What the configuration says of a route's demand, by resource. */
  readonly configured: (route: number) => NamedAmounts
  /** Why a backend could not be asked for a load report. */
  readonly pollError: (id: BackendId) => string | undefined
  /** Change while it runs. */
  readonly now: () => {
    readonly policies: StateView["policies"]
    readonly workers: number
    /** How many data-plane threads there ought to be. */
    readonly workersWanted: number
    readonly isStopping: boolean
    readonly faults: StateView["faults"]
    readonly sources: StateView["sources"]
    readonly listeners: StateView["listeners"]
  }
}

/** How long traffic counts as of late, and how long a fault of the balancer's own does. */
const trafficFadeMs = 15_000
const faultFadeMs = 60_000

export class StateBuilder {
  readonly #sources: StateSources
  readonly #startedAt: Millis
  readonly #rates = new Rates()
  readonly #traffic = new Recent(trafficFadeMs)
  readonly #faults = new Recent(faultFadeMs)

  constructor(sources: StateSources) {
    this.#sources = sources
    this.#startedAt = sources.clock.now()
  }

  /** Takes a sample for the rates; to be called about once per second whether or not a page is open. */
  sample(): void {
    const { registry, counters, clock, now } = this.#sources
    const at = clock.now()
    const { members } = registry.snapshot
    const counts = new Map([["requests", counters.total("requests")]])
    for (const { id, slot } of members) {
      counts.set(requestsOf(id), counters.requests(slot))
      counts.set(failuresOf(id), counters.failures(slot))
    }
    for (const [code, count] of Object.entries(counters.errors())) counts.set(errorsOf(code), count)
    this.#rates.sample(counts, at)
    this.#traffic.sample(counts, at)
    this.#faults.sample(new Map(Object.entries(now().faults)), at)
  }

  build(): StateView {
    const { version, resources, registry, counters, clock, isoTime, demandMode, now } = this.#sources
    const at = clock.now()
    const { members, eligible } = registry.snapshot
    const learned = this.#sources.learned(at)
    const corrections = new Map(learned.backends.map((backend) => [backend.id, backend]))
    const backends = members.map((member) => this.#backend(member, corrections.get(member.id), at))
    const sum = (pick: (view: BackendView) => NamedAmounts): NamedAmounts =>
      Object.fromEntries(
        resources.map(({ name }) => [name, backends.reduce((all, view) => all + pick(view)[name]!, 0)]),
      )
    const { policies, workers, workersWanted, isStopping, faults, sources, listeners } = now()
    const inFlight = backends.reduce((all, view) => all + view.inFlight, 0)
    const verdict = judge({
      backends,
      resources,
      eligible: eligible.length,
      workers,
      workersWanted,
      isStopping,
      recentFaults: this.#recentFaults(),
      traffic: this.#recentTraffic(members),
      lost: registry.lost(at),
      sources,
    })
    return {
      name: "linebacker",
      version,
      at: isoTime(),
      uptimeMs: Math.round(at - this.#startedAt),
      policy: policies[0]!.name,
      policies,
      demandMode,
      verdict,
      workers,
      faults,
      sources,
      listeners,
      resources: resources.map(({ name, kind }) => ({ name, kind })),
      totals: {
        backends: members.length,
        eligible: eligible.length,
        requests: counters.total("requests"),
        requestsPerSecond: this.#rates.of("requests"),
        inFlight,
        connections: counters.total("accepted") - counters.total("closed"),
        errors: counters.errors(),
        capacity: sum((view) => view.capacity),
        reserved: sum((view) => view.reserved),
        total: sum((view) => view.total),
      },
      backends,
      routes: learned.routes.map((route) => routeView(route, this.#sources.configured(route.route))),
    }
  }

  #recentTraffic(members: readonly Member[]): RecentTraffic {
    const recent = this.#traffic
    const ours = errorCodes.filter((code) => errors[code].source !== "client")
    return {
      requests: recent.of("requests"),
      errors: Object.fromEntries(ours.map((code) => [code, recent.of(errorsOf(code))])),
      backends: Object.fromEntries(
        members.map(({ id }) => [
          id,
          { requests: recent.of(requestsOf(id)), failures: recent.of(failuresOf(id)) },
        ]),
      ),
    }
  }

  /** What has happened at least once within about the time in which it fades. */
  #recentFaults(): Judged["recentFaults"] {
    const isRecent = (name: string): boolean => this.#faults.of(name) > 1 / Math.E
    return {
      bug: isRecent("bugs"),
      threadDied: isRecent("threadsDied"),
      threadStill: isRecent("threadsStill"),
    }
  }

  #backend(member: Member, learned: LearnedBackend | undefined, at: Millis): BackendView {
    const { resources, registry, table, counters } = this.#sources
    const { slot } = member
    const amounts = (of: (resource: number) => number): NamedAmounts =>
      Object.fromEntries(resources.map(({ name }, r) => [name, of(r)]))
    const details = registry.details(member.id, at)
    return {
      id: member.id,
      address: formatAddress(member.address),
      scheme: member.scheme,
      state: member.state,
      reason: member.reason,
      generation: member.generation,
      incarnation: member.incarnation,
      zone: member.zone,
      version: member.version,
      labels: member.labels,
      weight: member.weight,
      capacity: member.capacity,
      capacityCorrected: learned?.corrected ?? member.capacity,
      penalty: learned?.penalty ?? 1,
      reserved: amounts((r) => table.reserved(slot, r)),
      total: amounts((r) => counters.carriedUnits(slot, r) * resources[r]!.resolution),
      utilization: details?.utilization,
      inFlight: table.inFlight(slot),
      requests: counters.requests(slot),
      failures: counters.failures(slot),
      requestsPerSecond: this.#rates.of(requestsOf(member.id)),
      lease: {
        keptBy: member.keptBy,
        ttlMs: details?.ttlMs ?? 0,
        expiresInMs: details?.expiresInMs,
      },
      check: details?.check ?? { lastPassed: undefined, lastAgoMs: undefined, lastError: undefined },
      reportError: this.#sources.pollError(member.id),
    }
  }
}

/** Names of what is counted of late; ids of backends have no space. */
function requestsOf(id: string): string {
  return `requests ${id}`
}

function failuresOf(id: string): string {
  return `failures ${id}`
}

function errorsOf(code: string): string {
  return `errors ${code}`
}

function routeView({ name, rate, demand }: LearnedRoute, configured: NamedAmounts): RouteView {
  return { name, rate, demand: demand.map((known) => demandView(known, configured[known.resource])) }
}

function demandView(known: LearnedDemand, configured: number | undefined): DemandView {
  const { resource, source, mean, standardError, samples, variation, bySize } = known
  if (configured !== undefined) {
    const nothing = { standardError: null, samples: 0, variation: null, bySize: null }
    return { resource, source: "configured", mean: configured, ...nothing }
  }
  return {
    resource,
    source,
    mean,
    standardError: numberOf(standardError),
    samples,
    variation: numberOf(variation),
    bySize: bySize ?? null,
  }
}

/** null for NaN, which JSON does not have. */
function numberOf(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
