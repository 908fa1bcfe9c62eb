/**
 * What is the product's own of placing (`placing/placer.ts`): a pool of connections hangs on each backend, policies come
 * from the options, and the time is the cheapest that will do. Hot: `now`. Benchmark: bench/exchange.ts.
 */
import type { Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"
import type { Member } from "../membership/snapshot.ts"
import type { Group } from "../placing/group.ts"
import type { LoadTable } from "../placing/load-table.ts"
import type { Placed, Sites } from "../placing/placed-backend.ts"
import { type AttemptObserver, Placer } from "../placing/placer.ts"
import { makeChooser } from "../policies/around/chooser.ts"
import { policies } from "../policies/index.ts"
import { BackendPool } from "./backends/backend-pool.ts"
import { destinationOf, isSameDestination } from "./backends/dial.ts"
import type { Context } from "./context.ts"
import type { GroupOptions } from "./options.ts"

export interface FleetParts {
  readonly table: LoadTable
  readonly observer: AttemptObserver
  readonly rng: Rng
  /** An attempt has settled: see `PlacerOptions`. */
  readonly onSettled: () => void
}

/** The backends of one data-plane thread. */
export class Fleet implements Sites<BackendPool> {
  readonly placer: Placer<BackendPool>
  readonly #context: Context
  readonly #rng: Rng
  /** Of the placer's groups, in the same order. */
  #options: readonly GroupOptions[] = []

  constructor(context: Context, { table, observer, rng, onSettled }: FleetParts) {
    const { deadlines, options, worker } = context
    const { limits, resources, timeouts } = options
    this.#context = context
    this.#rng = rng
    this.placer = new Placer({
      resources,
      table,
      worker,
      sites: this,
      observer,
      limits,
      waitsUntil: () => deadlines.timeAfter(timeouts.queueMs),
      firstUntil: deadlines.coarseNow + timeouts.firstMemberMs,
      onSettled,
    })
    this.regroup(options.routing.groups)
  }

  /** Hot: the time for placing and settling: exact for a policy that measures, else that of the last sweep, which is free. */
  now(group: Group<BackendPool>): Millis {
    const { clock, deadlines } = this.#context
    return group.isExact ? clock.now() : deadlines.coarseNow
  }

  /** Cold: other groups. One that is as it was before keeps its policy and what that knows. */
  regroup(options: readonly GroupOptions[]): void {
    const { groups } = this.placer
    const before = this.#options
    this.#options = options
    this.placer.regroup(
      options.map((wanted) => {
        const index = before.findIndex((group) => isSameGroup(group, wanted))
        return groups[index] ?? this.#make(wanted)
      }),
    )
  }

  /** Cold: time has passed, several times per second. */
  tick(now: Millis): void {
    this.placer.tick(now)
    for (const { backend } of this.placer.placed.values()) backend.site.follow()
  }

  /** Cold: where descriptors are short, connections that are idle give way to those that are needed. */
  closeIdle(): void {
    for (const { backend } of this.placer.placed.values()) backend.site.closeIdle()
  }

  /** Another capacity or weight is no reason to close connections to the same process. */
  siteOf(member: Member, before: Placed<BackendPool> | undefined): BackendPool {
    const destination = destinationOf(member)
    return before?.member.generation === member.generation &&
      isSameDestination(before.backend.site.destination, destination)
      ? before.backend.site
      : new BackendPool(this.#context, destination)
  }

  makeRoom(): boolean {
    if (this.#context.descriptors.hasRoomForBackend) return false
    this.closeIdle()
    return true
  }

  #make({ choosing, match, pool }: GroupOptions): Group<BackendPool> {
    const { resources } = this.#context.options
    const policy = makeChooser(choosing, { rng: this.#rng, resources })
    const measures = policy.onSettled !== undefined && policies[choosing.policy.name].ignoresTimes !== true
    return this.placer.makeGroup(pool, { match, policy, isExact: measures })
  }
}

function isSameGroup(a: GroupOptions, b: GroupOptions): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
