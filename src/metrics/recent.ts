import type { Millis } from "../core/clock.ts"

interface Count {
  readonly seen: number
  readonly recent: number
}

/**
 * How much of counts that only grow came of late: what came `fadeMs` ago counts 1/e of what comes now. A name that is
 * not sampled any more is forgotten; one whose count has started again at 0 goes on from there.
 */
export class Recent {
  readonly #fadeMs: Millis
  #counts: ReadonlyMap<string, Count> = new Map()
  #sampledAt: Millis | undefined

  constructor(fadeMs: Millis) {
    this.#fadeMs = fadeMs
  }

  sample(counts: ReadonlyMap<string, number>, now: Millis): void {
    const left = this.#sampledAt === undefined ? 0 : Math.exp((this.#sampledAt - now) / this.#fadeMs)
    const next = new Map<string, Count>()
    for (const [name, count] of counts) {
      const { seen, recent } = this.#counts.get(name) ?? { seen: 0, recent: 0 }
      const grown = count >= seen ? count - seen : count
      next.set(name, { seen: count, recent: recent * left + grown })
    }
    this.#counts = next
    this.#sampledAt = now
  }

  of(name: string): number {
    return this.#counts.get(name)?.recent ?? 0
  }
}
