/** What is known now, as the page and the admin API show it. Cold: asked for a few times a second at most. */
import { formatAddress } from "../cluster/address.ts"
import type { LoadTable } from "../cluster/load-table.ts"
import type { Registry } from "../cluster/registry.ts"
import type { LearnedBackend, LearnedDemand, LearnedRoute, LearnedView } from "../cluster/learner.ts"
import type { Member } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import type { Counters } from "../metrics/counters.ts"
import { Rates } from "../metrics/rates.ts"
import type { BackendView, DemandView, RouteView, StateView } from "./state-view.ts"

export interface StateSources {
  readonly version: string
  readonly resources: ResourceTable
  readonly registry: Registry
  readonly table: LoadTable
  readonly counters: Counters
  readonly clock: Clock
  /** ms since 1970. */
  readonly wallClock: () => number
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
    readonly faults: StateView["faults"]
    readonly listeners: StateView["listeners"]
  }
}

export class StateBuilder {
  readonly #sources: StateSources
  readonly #startedAt: Millis
  readonly #rates = new Rates()

  constructor(sources: StateSources) {
    this.#sources = sources
    this.#startedAt = sources.clock.now()
  }

  /** Takes a sample for the rates; to be called about once a second whether or not anybody looks. */
  sample(): void {
    const { registry, counters, clock } = this.#sources
    const counts = new Map<string, number>([["", counters.total("requests")]])
    for (const { id, slot } of registry.snapshot.members) counts.set(id, counters.requests(slot))
    this.#rates.sample(counts, clock.now())
  }

  build(): StateView {
    const { version, resources, registry, counters, clock, wallClock, demandMode, now } = this.#sources
    const at = clock.now()
    const { members, eligible } = registry.snapshot
    const learned = this.#sources.learned(at)
    const corrections = new Map(learned.backends.map((backend) => [backend.id, backend]))
    const backends = members.map((member) => this.#backend(member, corrections.get(member.id), at))
    const sum = (pick: (view: BackendView) => NamedAmounts): NamedAmounts =>
      Object.fromEntries(
        resources.map(({ name }) => [name, backends.reduce((all, view) => all + pick(view)[name]!, 0)]),
      )
    const { policies, workers, faults, listeners } = now()
    return {
      name: "linebacker",
      version,
      at: new Date(wallClock()).toISOString(),
      uptimeMs: Math.round(at - this.#startedAt),
      policy: policies[0]!.name,
      policies,
      demandMode,
      workers,
      faults,
      listeners,
      resources: resources.map(({ name, kind }) => ({ name, kind })),
      totals: {
        backends: members.length,
        eligible: eligible.length,
        requests: counters.total("requests"),
        requestsPerSecond: this.#rates.of(""),
        inFlight: backends.reduce((all, view) => all + view.inFlight, 0),
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
      requestsPerSecond: this.#rates.of(member.id),
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
