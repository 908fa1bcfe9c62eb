import { mix32 } from "../../core/rng.ts"
import type { KeyTable } from "./key-table.ts"

/** The most points of a ring, but for one for each member that would have none. Sorting them takes some 60 ms. */
export const ringPointsMax: number = 2 ** 20

/** Points on a circle of uint32, each with its owner, before they are in order. */
export class RingPoints {
  #hashes: Uint32Array
  #owners: Int32Array
  #count = 0

  /** @param count how many will be added. */
  constructor(count: number) {
    this.#hashes = new Uint32Array(count)
    this.#owners = new Int32Array(count)
  }

  /** @param hash uint32. */
  add(hash: number, owner: number): void {
    this.#hashes[this.#count] = hash
    this.#owners[this.#count++] = owner
  }

  /**
   * Cold. O(points): a radix sort by three digits, four times as quick as sorting doubles. Of points at the same place
   * the one added first is first.
   */
  sorted(): { readonly hashes: Uint32Array; readonly owners: Int32Array } {
    for (const shift of [0, 11, 22]) this.#sortByDigit(shift)
    return { hashes: this.#hashes, owners: this.#owners }
  }

  #sortByDigit(shift: number): void {
    const [hashes, owners] = [this.#hashes, this.#owners]
    const begins = new Uint32Array(digits + 1)
    for (let i = 0; i < hashes.length; i++) begins[((hashes[i]! >>> shift) & (digits - 1)) + 1]!++
    for (let digit = 0; digit < digits; digit++) begins[digit + 1]! += begins[digit]!
    const sortedHashes = new Uint32Array(hashes.length)
    const sortedOwners = new Int32Array(hashes.length)
    for (let i = 0; i < hashes.length; i++) {
      const hash = hashes[i]!
      const at = begins[(hash >>> shift) & (digits - 1)]!++
      sortedHashes[at] = hash
      sortedOwners[at] = owners[i]!
    }
    this.#hashes = sortedHashes
    this.#owners = sortedOwners
  }
}

const digits = 2 ** 11

/**
 * A ring of points: a key belongs to the first point at or after its hash, the first of all after the last. O(log
 * points).
 *
 * @see Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
 */
export class Ring implements KeyTable {
  readonly owners: Int32Array
  readonly #hashes: Uint32Array
  readonly #mixes: boolean

  /** @param mixes whether keys are mixed first; not where other programs must find the same owner. */
  constructor(points: RingPoints, mixes: boolean) {
    const { hashes, owners } = points.sorted()
    this.owners = owners
    this.#hashes = hashes
    this.#mixes = mixes
  }

  at(key: number): number {
    const hashes = this.#hashes
    const hash = (this.#mixes ? mix32(key) : key) >>> 0
    let low = 0
    let high = hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (hashes[middle]! < hash) low = middle + 1
      else high = middle
    }
    return low === hashes.length ? 0 : low
  }
}
