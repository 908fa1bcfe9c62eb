import type { Clock } from "../../src/core/clock.ts"
import type { EventLoop } from "../../src/system.ts"

/** Time that passes only where a test lets it: wishes are run in order, and every one at its exact time. */
export class VirtualClock implements Clock, EventLoop {
  #now = 0
  #sequence = 0
  readonly #wishes: { readonly at: number; readonly order: number; readonly fn: () => void }[] = []

  now(): number {
    return this.#now
  }

  set(ms: number, fn: () => void): () => void {
    const wish = { at: this.#now + ms, order: this.#sequence++, fn }
    this.#wishes.push(wish)
    return () => {
      const at = this.#wishes.indexOf(wish)
      if (at !== -1) this.#wishes.splice(at, 1)
    }
  }

  every(ms: number, fn: () => void): () => void {
    let cancel: () => void
    const again = (): void => {
      cancel = this.set(ms, again)
      fn()
    }
    cancel = this.set(ms, again)
    return () => cancel()
  }

  soon(fn: () => void): void {
    this.set(0, fn)
  }

  /** Runs wishes until none is left, or until this time. */
  async run(until = Infinity): Promise<void> {
    for (;;) {
      let next = 0
      for (let i = 1; i < this.#wishes.length; i++) {
        const [a, b] = [this.#wishes[i]!, this.#wishes[next]!]
        if (a.at < b.at || (a.at === b.at && a.order < b.order)) next = i
      }
      const wish = this.#wishes[next]
      if (wish === undefined || wish.at > until) break
      this.#wishes.splice(next, 1)
      this.#now = Math.max(this.#now, wish.at)
      wish.fn()
      // What the wish has promised comes before the next.
      await Promise.resolve()
    }
    if (until < Infinity) this.#now = until
  }
}
