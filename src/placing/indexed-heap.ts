/** Something that stands in a heap and knows where. */
export interface Heaped {
  /** Its place in the heap's array, −1 when it is in none. Written by the heap alone. */
  at: number
}

/**
 * A binary heap whose entries can be taken out of the middle and moved when what they are ordered by has changed.
 * O(log n) each, O(1) to look at the first. An entry can be in one heap at a time.
 */
export class IndexedHeap<T extends Heaped> {
  readonly #isBefore: (one: T, other: T) => boolean
  readonly #entries: T[] = []

  constructor(isBefore: (one: T, other: T) => boolean) {
    this.#isBefore = isBefore
  }

  get length(): number {
    return this.#entries.length
  }

  get first(): T | undefined {
    return this.#entries[0]
  }

  add(entry: T): void {
    entry.at = this.#entries.length
    this.#entries.push(entry)
    this.#rise(entry)
  }

  /** Nothing when it is in no heap. */
  remove(entry: T): void {
    const { at } = entry
    if (at === -1) return
    entry.at = -1
    const last = this.#entries.pop()!
    if (last === entry) return
    this.#put(last, at)
    this.moved(last)
  }

  /** The order of this entry may have changed. Nothing when it is in no heap. */
  moved(entry: T): void {
    if (entry.at === -1) return
    this.#rise(entry)
    this.#sink(entry)
  }

  #rise(entry: T): void {
    let { at } = entry
    while (at > 0) {
      const parent = this.#entries[(at - 1) >> 1]!
      if (!this.#isBefore(entry, parent)) break
      const above = parent.at
      this.#put(parent, at)
      at = above
    }
    this.#put(entry, at)
  }

  #sink(entry: T): void {
    let { at } = entry
    for (;;) {
      const left = this.#entries[2 * at + 1]
      const right = this.#entries[2 * at + 2]
      if (left === undefined) break
      const child = right !== undefined && this.#isBefore(right, left) ? right : left
      if (!this.#isBefore(child, entry)) break
      const below = child.at
      this.#put(child, at)
      at = below
    }
    this.#put(entry, at)
  }

  #put(entry: T, at: number): void {
    this.#entries[at] = entry
    entry.at = at
  }
}
