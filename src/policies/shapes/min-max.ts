// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { leastOf } from "../tools/least-of.ts"
import type { PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, Room } from "./room.ts"

/**
 * The backend whose fullest resource would be the least full: min over backends of max over resources of
 * (W + d) / C. Ties at random. O(n·R) per pick.
 *
 * The plain greedy step of scheduling vectors. Good where backends are alike. Where they are not, a resource that
 * the request hardly needs may decide, and requests avoid the backend made for them because of it; that is what a
 * price corrects. For a rate the fraction is seconds of backlog over the horizon (see `Room`), which matters only where
 * there are both kinds of resources.
 *
 * @see Im, Kell, Kulkarni, Panigrahi, "Tight Bounds for Online Vector Scheduling", FOCS 2015 (arXiv 1411.3887).
 */
export class MinMax implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "The backend whose fullest resource would be the least full.",
    make: (context) => new MinMax(context),
    parameters: { horizonSeconds },
    seesDemand: true,
  } as const satisfies PolicyEntry

  readonly name = "min-max"
  readonly #context: PolicyContext
  readonly #room: Room
  #members: readonly Backend[] = []
  #values = new Float64Array(0)

  constructor(context: PolicyContext) {
    this.#context = context
    this.#room = new Room(context.resources, context.parameters["horizonSeconds"]!)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#values = new Float64Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const values = this.#values
    for (let i = 0; i < members.length; i++) values[i] = request.admits(members[i]!) ? 0 : NaN
    this.#room.fullness(members, request.demand, values)
    return members[leastOf(values, members.length, this.#context.rng)]
  }
}
