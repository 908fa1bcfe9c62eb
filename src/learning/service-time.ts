/** Cold: how long requests of each route take when nothing is in their way; the last resort for what they need. */

/** The newest time counts for this part, per request, at least. */
const gainMin = 0.005
/** What the least time of an interval moves the usual least time by. */
const leastGain = 0.1
/** Requests of a route before its times say anything. */
const samplesMin = 20

interface Times {
  samples: number
  meanMs: number
  /** NaN while no exact time has been seen. */
  leastMs: number
  answerMs: number
}

/**
 * Mean time less queueing, by route. Weak evidence, for backends that report nothing at all: time says nothing of
 * which resource it was spent on, waiting for others looks like work, and so does a client that reads slowly.
 *
 * Queueing is the same for all routes where requests wait in line, so it is at most what the steadiest route's mean is
 * above its least. Where requests share instead, all routes are slowed by the same factor, which their ratios do not
 * show, and that difference is small for the shortest route. So: mean less the least such difference of all routes, but
 * not less than the route's own least. Where no time is exact there is no least, and it is the mean.
 */
export class ServiceTimes {
  readonly #routes = new Map<number, Times>()

  /**
   * `count` requests of a route took `totalMs` together; the first byte of the fastest came after `leastMs`, Infinity
   * where no time is exact, and all their responses took `answerMs` from the first byte on.
   */
  add(route: number, count: number, totalMs: number, leastMs: number, answerMs: number): void {
    if (count === 0) return
    const mean = totalMs / count
    const answer = answerMs / count
    const times = this.#routes.get(route)
    if (times === undefined) {
      this.#routes.set(route, {
        samples: count,
        meanMs: mean,
        leastMs: leastMs < Infinity ? Math.min(leastMs, mean) : NaN,
        answerMs: answer,
      })
      return
    }
    times.samples += count
    const gain = Math.min(1, Math.max(count / times.samples, 1 - (1 - gainMin) ** count))
    times.meanMs += gain * (mean - times.meanMs)
    times.answerMs += gain * (answer - times.answerMs)
    if (!(leastMs < Infinity)) return
    if (Number.isNaN(times.leastMs)) times.leastMs = Math.min(leastMs, mean)
    else times.leastMs += leastGain * (leastMs - times.leastMs)
  }

  /** Of a route, in ms; NaN when it has been seen too seldom. */
  of(route: number): number {
    const times = this.#routes.get(route)
    if (times === undefined || times.samples < samplesMin) return NaN
    const { leastMs, meanMs } = times
    return Math.max(leastMs >= 0 ? leastMs : 0, meanMs - this.#queueingMs())
  }

  /** From an attempt's begin to its end, in the mean, queueing and all; undefined before the first. */
  meanMs(route: number): number | undefined {
    return this.#routes.get(route)?.meanMs
  }

  /** Of that, from the first byte of the response on. */
  meanAnswerMs(route: number): number | undefined {
    return this.#routes.get(route)?.answerMs
  }

  samples(route: number): number {
    return this.#routes.get(route)?.samples ?? 0
  }

  #queueingMs(): number {
    let least = Infinity
    for (const { samples, meanMs, leastMs } of this.#routes.values()) {
      if (samples >= samplesMin && leastMs >= 0) least = Math.min(least, meanMs - leastMs)
    }
    return least < Infinity ? Math.max(0, least) : 0
  }
}
