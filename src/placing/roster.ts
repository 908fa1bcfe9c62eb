/** Cold: the backends of one placer, as the snapshot says, with what has been learned of their capacity. */
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type Knowledge, nothingKnown } from "../core/knowledge.ts"
import type { ResourceTable } from "../core/resources.ts"
import { emptySnapshot, type Member, type Snapshot } from "../membership/snapshot.ts"
import type { LoadTable } from "./load-table.ts"
import { type Placed, PlacedBackend, type Site, type Sites, tierOf } from "./placed-backend.ts"

export class Roster<S extends Site> {
  snapshot: Snapshot = emptySnapshot
  knowledge: Knowledge = nothingKnown
  readonly #resources: ResourceTable
  readonly #table: LoadTable
  readonly #sites: Sites<S>
  #placed = new Map<BackendId, Placed<S>>()

  constructor(resources: ResourceTable, table: LoadTable, sites: Sites<S>) {
    this.#resources = resources
    this.#table = table
    this.#sites = sites
  }

  /** By id, the members of the snapshot, whatever their state. */
  get placed(): ReadonlyMap<BackendId, Placed<S>> {
    return this.#placed
  }

  /** Attempts that run keep the backend they run on, also when it is gone from the snapshot. */
  apply(snapshot: Snapshot, now: Millis): void {
    const before = this.#placed
    const placed = new Map<BackendId, Placed<S>>()
    for (const member of snapshot.members) placed.set(member.id, this.#place(member, before.get(member.id)))
    for (const [id, { backend }] of before) {
      const after = placed.get(id)
      if (after === undefined || after.backend.site !== backend.site) backend.site.retire()
      else if (after.member.state === "ejected") backend.site.closeIdle()
    }
    this.#placed = placed
    this.#markNew(snapshot, before.size === 0 ? -Infinity : now)
    this.snapshot = snapshot
  }

  /** Whether a backend has another capacity now. */
  learn(knowledge: Knowledge): boolean {
    this.knowledge = knowledge
    let isOther = false
    for (const { backend } of this.#placed.values()) if (this.#correct(backend)) isOther = true
    return isOther
  }

  #place(member: Member, before: Placed<S> | undefined): Placed<S> {
    const site = this.#sites.siteOf(member, before)
    const isSameProcess = before !== undefined && before.backend.site === site
    if (isSameProcess && isAlike(before.member, member)) return { member, backend: before.backend }
    const load = this.#table.loadOf(member.slot)
    const backend = new PlacedBackend(member, tierOf(member), this.#resources, load, site)
    if (isSameProcess) backend.eligibleSince = before.backend.eligibleSince
    this.#correct(backend)
    return { member, backend }
  }

  #correct(backend: PlacedBackend<S>): boolean {
    return backend.correct(this.#resources, this.knowledge.capacities.get(backend.id))
  }

  /** Those that may be chosen since now. Those that were there from the start have no start to be careful of. */
  #markNew({ eligible }: Snapshot, since: Millis): void {
    const before = new Set(this.snapshot.eligible.map(nameOfProcess))
    for (const member of eligible) {
      if (!before.has(nameOfProcess(member))) this.#placed.get(member.id)!.backend.eligibleSince = since
    }
  }
}

function nameOfProcess({ id, generation }: Member): string {
  return `${id} ${generation}`
}

/** Of one process: whether policies see the same in both. */
function isAlike(a: Member, b: Member): boolean {
  if (a.slot !== b.slot || a.weight !== b.weight || a.zone !== b.zone) return false
  if (tierOf(a) !== tierOf(b)) return false
  return Object.keys(b.capacity).every((name) => a.capacity[name] === b.capacity[name])
}
