import type { Millis } from "../core/clock.ts"

/** How many samples a rate looks back over: about three seconds at one sample per second. */
const samplesMax = 4

interface Sample {
  readonly counts: ReadonlyMap<string, number>
  readonly at: Millis
}

/** Rates per second of counts that only grow, by name, over the last few samples. */
export class Rates {
  readonly #samples: Sample[] = []

  sample(counts: ReadonlyMap<string, number>, now: Millis): void {
    this.#samples.push({ counts, at: now })
    if (this.#samples.length > samplesMax) this.#samples.shift()
  }

  /** 0 for a name that was not in two samples, or whose count started again at 0. */
  of(name: string): number {
    const last = this.#samples.at(-1)
    const first = this.#samples.find((sample) => sample.counts.has(name))
    if (last === undefined || first === undefined || last.at <= first.at) return 0
    const grown = (last.counts.get(name) ?? 0) - first.counts.get(name)!
    return Math.max(0, (grown * 1_000) / (last.at - first.at))
  }
}
