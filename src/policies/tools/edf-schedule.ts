// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import type { PickRequest } from "../policy.ts"
import { carried, Places } from "./places.ts"

/**
 * Earliest deadline first: the member that is due next is picked and is due again 1/weight later, in a time of the
 * schedule's own that moves from deadline to deadline. With a bias the weight counts divided by (attempts in flight +
 * 1) to that power, as of the pick. Among equal deadlines, the one that has waited longer.
 *
 * A heap in flat arrays: O(log n) when the one that is due is admitted. Else the admitted one that is due
 * next is searched, O(n), and those before it keep their deadlines. They come first when they are back, once:
 * their next deadline counts from then, so none is owed a burst.
 *
 * A newcomer is due after a random part of its period. Balancers that start together would else send their
 * first requests to the same backends.
 *
 * Prior art: Envoy's EDF scheduler, which starts as if a random number of picks had been made; the random
 * first deadline is gRPC's (A58).
 */
export class EdfSchedule {
  readonly #rng: Rng
  readonly #bias: number
  readonly #places = new Places()
  #members: readonly Backend[] = []
  /** By place. */
  #deadlines = new Float64Array(0)
  /** By place: a number that grows with each queueing, to tell which of equal deadlines has waited longer. */
  #orders = new Float64Array(0)
  /** Places, the one that is due at the root. */
  #heap = new Int32Array(0)
  /** The deadline last reached. In an array, where a double is stored without an object around it. */
  readonly #time = new Float64Array(1)
  #queued = 0

  constructor(rng: Rng, bias = 0) {
    this.#rng = rng
    this.#bias = bias
  }

  /** Cold. A weight that has changed counts from the next turn on. */
  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#members = members
    this.#deadlines = carried(this.#deadlines, before, NaN)
    this.#orders = carried(this.#orders, before, NaN)
    for (const [place, { weight }] of members.entries()) {
      if (before[place] !== -1) continue
      this.#deadlines[place] = this.#time[0]! + this.#rng.next() / weight
      this.#orders[place] = this.#queued++
    }
    this.#heap = Int32Array.from(members, (_, place) => place).sort((a, b) => (this.#isBefore(a, b) ? -1 : 1))
  }

  /** Hot. The admitted one that is due next has its turn. */
  pick(request: PickRequest): Backend | undefined {
    const position = this.#due(request)
    if (position === -1) return undefined
    const place = this.#heap[position]!
    const backend = this.#members[place]!
    this.#postpone(place, backend)
    this.#sink(position)
    return backend
  }

  /** Where in the heap it stands; −1 when none is admitted. */
  #due(request: PickRequest): number {
    const heap = this.#heap
    const members = this.#members
    if (heap.length === 0) return -1
    if (request.admits(members[heap[0]!]!)) return 0
    let due = -1
    for (let i = 1; i < heap.length; i++) {
      if (!request.admits(members[heap[i]!]!)) continue
      if (due === -1 || this.#isBefore(heap[i]!, heap[due]!)) due = i
    }
    return due
  }

  /** Due again a period after it was due, or from now on when it was overdue. */
  #postpone(place: number, backend: Backend): void {
    const deadlines = this.#deadlines
    const time = this.#time
    if (deadlines[place]! > time[0]!) time[0] = deadlines[place]!
    const burden = this.#bias === 0 ? 1 : (backend.load.inFlight + 1) ** this.#bias
    deadlines[place] = time[0]! + burden / backend.weight
    this.#orders[place] = this.#queued++
  }

  /** A deadline only ever moves back, so an entry only ever sinks. */
  #sink(from: number): void {
    const heap = this.#heap
    const place = heap[from]!
    let position = from
    let child = this.#earlierChild(position)
    while (child !== -1 && this.#isBefore(heap[child]!, place)) {
      heap[position] = heap[child]!
      position = child
      child = this.#earlierChild(position)
    }
    heap[position] = place
  }

  #earlierChild(position: number): number {
    const heap = this.#heap
    const left = 2 * position + 1
    if (left >= heap.length) return -1
    const right = left + 1
    return right < heap.length && this.#isBefore(heap[right]!, heap[left]!) ? right : left
  }

  #isBefore(one: number, other: number): boolean {
    const deadlines = this.#deadlines
    const orders = this.#orders
    return (
      deadlines[one]! < deadlines[other]! ||
      (deadlines[one] === deadlines[other] && orders[one]! < orders[other]!)
    )
  }
}
