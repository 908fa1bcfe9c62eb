import type { Timers } from "../../src/system.ts"

/** Timers that run when the test says so, in order. */
export class HandTimers implements Timers {
  #now = 0
  readonly #wishes = new Set<{ readonly at: number; readonly fn: () => void }>()

  get pending(): number {
    return this.#wishes.size
  }

  set(ms: number, fn: () => void): () => void {
    const wish = { at: this.#now + ms, fn }
    this.#wishes.add(wish)
    return () => void this.#wishes.delete(wish)
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [next] = [...this.#wishes].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#wishes.delete(next)
      this.#now = next.at
      next.fn()
    }
    this.#now = end
  }
}
