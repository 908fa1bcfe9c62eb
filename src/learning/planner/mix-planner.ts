import type { BackendId } from "../../core/backend.ts"
import type { Mix, RouteKnowledge } from "../../core/knowledge.ts"
import type { ResourceTable, ResourceVector } from "../../core/resources.ts"
import { kindsOf, type Kinds } from "./backend-kinds.ts"
import { believedOf } from "../../policies/prices/believed.ts"
import { meanHoldSeconds } from "../../policies/prices/hold-time.ts"
import { solveMix } from "./mix-solver.ts"

/** A backend that takes part. */
export interface PlannedMember {
  readonly id: BackendId
  readonly capacity: Readonly<ResourceVector>
  /** For failing, ≥ 1: with 2 it counts as half of what it is, and as half an average one at most. */
  readonly penalty?: number | undefined
}

/** Kinds of backend that are told apart. More are rounded until they are as few. */
const kindsMax = 128
/** Routes times kinds times resources times steps, the most of one plan: about 30 ms of one core. */
const workMax = 2_500_000
const stepsMax = 400
const gap = 0.01

/**
 * Computes the mix, about once per second, and remembers it: the next begins where the last has ended, by name of route
 * and id of backend, through joins, leaves and new routes. So what one plan had no time to finish the next ones do.
 *
 * Backends whose capacities are alike but for their size are one kind to the solver, and share by size what it gets.
 * Above 128 kinds shapes are rounded, to 1 % of their ratios at first. O(routes · backends) plus the solver, which is
 * bounded: of 64 routes and 1,000 backends a plan takes 15 ms when they are of three kinds and 40 ms when no two are
 * alike, and 60 ms of 10,000 (twice that once, before it is compiled). The first plan is within 2 % of the optimum
 * there, the third within 0.2 %.
 *
 * A request holds its space for as long as its route's requests took of late. Where that is not known of any route
 * and rates are needed too, the scarcest space counts as scarce as the scarcest rate.
 */
export class MixPlanner {
  readonly #resources: ResourceTable
  #last: Mix | undefined
  #sharpness: number | undefined
  readonly #rows = new Map<string, number>()
  readonly #columns = new Map<BackendId, number>()

  constructor(resources: ResourceTable) {
    this.#resources = resources
  }

  /** The mix of these routes over these members, in their order; `undefined` when there are none or nothing is learned. */
  plan(members: readonly PlannedMember[], routes: readonly RouteKnowledge[]): Mix | undefined {
    if (members.length === 0 || !routes.some((route) => route.isLearned)) return undefined
    const resources = this.#resources.length
    const kinds = kindsOf(sizedByPenalty(members), resources, kindsMax)
    const { count, capacity } = kinds
    const solution = solveMix(
      {
        resources,
        rates: Float64Array.from(routes, (route) => amountOf(route.rate)),
        use: useOf(this.#resources, routes, capacity),
        capacity,
      },
      {
        from: this.#warmStart(members, routes, kinds),
        sharpness: this.#sharpness,
        stepsMax: Math.min(stepsMax, Math.ceil(workMax / (routes.length * count * resources))),
        gap,
      },
    )
    const shares = new Float64Array(routes.length * members.length)
    for (let route = 0; route < routes.length; route++) {
      for (let member = 0; member < members.length; member++) {
        const kind = kinds.of[member]!
        shares[route * members.length + member] = solution.shares[route * count + kind]! * kinds.part[member]!
      }
    }
    const mix: Mix = { backends: members.map((member) => member.id), shares }
    this.#sharpness = solution.sharpness
    this.#remember(mix, routes)
    return mix
  }

  #remember(mix: Mix, routes: readonly RouteKnowledge[]): void {
    this.#last = mix
    this.#rows.clear()
    this.#columns.clear()
    for (const [row, { name }] of routes.entries()) this.#rows.set(name, row)
    for (const [column, id] of mix.backends.entries()) this.#columns.set(id, column)
  }

  /** The last shares by kind. A new member gets what those like it have on average, or what its size is worth. */
  #warmStart(
    members: readonly PlannedMember[],
    routes: readonly RouteKnowledge[],
    kinds: Kinds,
  ): Float64Array | undefined {
    const last = this.#last
    if (last === undefined) return undefined
    const { count, size } = kinds
    const width = last.backends.length
    const columns = members.map((member) => this.#columns.get(member.id) ?? -1)
    const known = new Float64Array(count)
    for (const [member, column] of columns.entries()) {
      if (column >= 0) known[kinds.of[member]!]! += kinds.part[member]!
    }
    const from = new Float64Array(routes.length * count)
    for (const [route, { name }] of routes.entries()) {
      const row = this.#rows.get(name)
      for (const [member, column] of columns.entries()) {
        if (row === undefined || column < 0) continue
        from[route * count + kinds.of[member]!]! += last.shares[row * width + column]!
      }
      for (let kind = 0; kind < count; kind++) {
        const at = route * count + kind
        from[at] = row !== undefined && known[kind]! > 0 ? from[at]! / known[kind]! : size[kind]!
      }
    }
    return from
  }
}

/** The same members in their order, each as large as what it has been seen to do lets it count. */
function sizedByPenalty(
  members: readonly PlannedMember[],
): readonly { readonly capacity: Readonly<ResourceVector> }[] {
  const penalties = new Map(members.map(({ id, penalty = 1 }) => [id, penalty]))
  const { capacities, hasPenalties, penalties: relative } = believedOf(members, penalties)
  if (!hasPenalties) return members
  return capacities.map((capacity, i) => ({ capacity: capacity.map((amount) => amount / relative[i]!) }))
}

/** What one request per second takes of each resource: its work, or what it holds times how long. */
function useOf(
  resources: ResourceTable,
  routes: readonly RouteKnowledge[],
  capacity: Float64Array,
): Float64Array {
  const width = resources.length
  const use = new Float64Array(routes.length * width)
  const seconds = meanHoldSeconds(routes)
  for (const [route, { mean, holdMs = NaN }] of routes.entries()) {
    const held = holdMs > 0 ? holdMs / 1_000 : (seconds ?? 1)
    for (const [r, { kind }] of resources.entries()) {
      use[route * width + r] = amountOf(mean[r]!) * (kind === "space" ? held : 1)
    }
  }
  if (seconds === undefined) balanceSpaces(resources, routes, capacity, use)
  return use
}

/** Multiplies what is held so that the scarcest space of the fleet is as scarce as the scarcest rate. */
function balanceSpaces(
  resources: ResourceTable,
  routes: readonly RouteKnowledge[],
  capacity: Float64Array,
  use: Float64Array,
): void {
  const width = resources.length
  const scarcest = { rate: 0, space: 0 }
  for (const [r, { kind }] of resources.entries()) {
    let needed = 0
    for (const [route, { rate }] of routes.entries()) needed += amountOf(rate) * use[route * width + r]!
    let total = 0
    for (let i = r; i < capacity.length; i += width) total += capacity[i]!
    if (total > 0) scarcest[kind] = Math.max(scarcest[kind], needed / total)
  }
  if (scarcest.rate === 0 || scarcest.space === 0) return
  for (const [i, amount] of use.entries()) {
    if (resources[i % width]!.kind === "space") use[i] = (amount * scarcest.rate) / scarcest.space
  }
}

/** What cannot be an amount counts as none. */
function amountOf(value: number): number {
  return value > 0 && value < Infinity ? value : 0
}
