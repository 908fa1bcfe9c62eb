// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { LearnedLoad } from "../times/learned-load.ts"
import { carried, Places } from "../tools/places.ts"
import type { LoadMetric, Outcome } from "../policy.ts"

/** How many times the mean is of. */
const kept = 100

/**
 * Mean of the last 100 times to the first byte, in whole milliseconds, times attempts in flight with the one
 * to come, per weight.
 *
 * Nothing until the first response, however much is in flight: a new backend takes all traffic until then, and
 * one that responds within a millisecond a hundred times keeps it. Any response counts, whatever its status
 * and whether its client waited for it, so failing fast looks like being fast.
 *
 * Prior art: Traefik's `leasttime` (3.6).
 */
export class MeanTime implements LearnedLoad {
  readonly #places = new Places()
  /** `kept` times by place, a ring each. */
  #times = new Float64Array(0)
  #sums = new Float64Array(0)
  /** By place: how many times were ever added. */
  #added = new Float64Array(0)

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#times = carried(this.#times, before, 0, kept)
    this.#sums = carried(this.#sums, before, 0)
    this.#added = carried(this.#added, before, 0)
  }

  readonly metric: LoadMetric = (backend) => {
    const place = this.#places.inOrder(backend)
    const added = this.#added[place]!
    if (added === 0) return 0
    const mean = this.#sums[place]! / (added < kept ? added : kept)
    return (mean * (1 + backend.load.inFlight)) / backend.weight
  }

  onSettled(backend: Backend, { firstByteMs }: Outcome): void {
    const place = this.#places.of(backend)
    if (place === -1 || Number.isNaN(firstByteMs)) return
    const slot = place * kept + (this.#added[place]! % kept)
    const time = Math.floor(firstByteMs)
    this.#sums[place]! += time - this.#times[slot]!
    this.#times[slot] = time
    this.#added[place]!++
  }
}
