// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { ResourceTable } from "../../core/resources.ts"
import type { PickRequest, Policy, PolicyEntry } from "../policy.ts"

/** Errors below this win at once. */
const closeEnough = 0.2

/** Why a table of resources is none this policy can work with, or `undefined` when it is. */
function seedRatioUnsuitable(resources: ResourceTable): string | undefined {
  const missing = ["compute", "storage"].filter((name) => !resources.some((r) => r.name === name))
  if (missing.length === 0) return undefined
  const found = resources.map((resource) => `"${resource.name}"`).join(", ") || "none"
  return `seed-ratio compares "compute" with "storage" and needs both as resources; found ${found}`
}

/**
 * The rule of the program Linebacker grew from, kept for comparison: the shape of a request, compute over
 * storage, should be the shape of its backend.
 *
 *     error = |backend − request| / max(backend, request), of the two ratios
 *
 * In order of registration, the first with an error under 0.2 wins; else the least error, the earlier one on
 * ties. It sees neither load nor size. Two ratios that cannot be compared (0/0, or infinite) give NaN, which
 * never wins: `undefined` when there is nothing else. Floating point throughout, as there, so errors of exactly
 * 0.2 fall on either side. The only difference: a member the request does not admit is not looked at.
 *
 * O(n) per pick, less when an early one is close enough. For ratios a and b the error is 1 − e^−|ln a − ln b|.
 */
export class SeedRatio implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "The first backend whose compute to storage ratio is within 20 % of the request's, else the nearest.",
    make: (context) => new SeedRatio(context.resources),
    unsuitable: seedRatioUnsuitable,
    seesDemand: true,
  } as const satisfies PolicyEntry

  readonly name = "seed-ratio"
  readonly #compute: number
  readonly #storage: number
  #members: readonly Backend[] = []
  #ratios = new Float64Array(0)

  constructor(resources: ResourceTable) {
    const reason = seedRatioUnsuitable(resources)
    if (reason !== undefined) throw new Error(reason)
    this.#compute = resources.findIndex((resource) => resource.name === "compute")
    this.#storage = resources.findIndex((resource) => resource.name === "storage")
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#ratios = Float64Array.from(
      members,
      ({ capacity }) => capacity[this.#compute]! / capacity[this.#storage]!,
    )
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const ratios = this.#ratios
    const wanted = request.demand[this.#compute]! / request.demand[this.#storage]!
    let best: Backend | undefined
    let least = Infinity
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      const ratio = ratios[i]!
      const error = Math.abs(ratio - wanted) / Math.max(wanted, ratio)
      if (error < closeEnough) return backend
      if (error < least) {
        best = backend
        least = error
      }
    }
    return best
  }
}
