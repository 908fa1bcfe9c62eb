// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { ResourceVector } from "../../core/resources.ts"
import { leastOf } from "../tools/least-of.ts"
import type { PickRequest, Policy, PolicyContext } from "../policy.ts"
import { Room } from "./room.ts"

/**
 * How badly a demand suits what backends have left: writes a value for every member whose value is not NaN, lower is
 * better. It is asked only for those where the demand fits.
 */
export type Misfits = (
  members: readonly Backend[],
  demand: Readonly<ResourceVector>,
  values: Float64Array,
) => void

/**
 * Among the admitted members with enough room, the one that suits the request best by some measure; ties at random,
 * each of the tied equally likely.
 *
 * Where none has enough room the measure has nothing to say, and the one that would be the least full afterwards is
 * picked. A packing rule alone would refuse instead; here that is the work of `admits`. O(n·R) per pick.
 */
export class BestFit implements Policy {
  readonly name: string
  readonly #context: PolicyContext
  readonly #room: Room
  readonly #misfits: Misfits
  #members: readonly Backend[] = []
  #values = new Float64Array(0)

  constructor(name: string, context: PolicyContext, measure: (room: Room) => Misfits) {
    this.name = name
    this.#context = context
    this.#room = new Room(context.resources, context.parameters["horizonSeconds"]!)
    this.#misfits = measure(this.#room)
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#room.rebuild(members)
    this.#values = new Float64Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const values = this.#values
    if (markFitting(this.#room, members, request, values)) this.#misfits(members, request.demand, values)
    else this.#room.fullness(members, request.demand, values)
    return members[leastOf(values, members.length, this.#context.rng)]
  }
}

/**
 * Writes NaN for every member that is not to be looked at and 0 for the others. Those are the admitted ones where the
 * request fits; or all admitted ones when it fits nowhere, and then the result is false.
 */
function markFitting(
  room: Room,
  members: readonly Backend[],
  request: PickRequest,
  values: Float64Array,
): boolean {
  let fitting = 0
  for (let i = 0; i < members.length; i++) {
    const backend = members[i]!
    if (!request.admits(backend)) values[i] = NaN
    else if (!room.fits(backend, request.demand)) values[i] = 1
    else {
      values[i] = 0
      fitting++
    }
  }
  for (let i = 0; i < members.length; i++) {
    if (values[i] === 1) values[i] = fitting === 0 ? 0 : NaN
  }
  return fitting > 0
}
