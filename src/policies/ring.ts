import { mix32 } from "../core/rng.ts"
import type { KeyTable } from "./key-table.ts"

/** The most points of a ring, and so the most members: what leaves room for a place beside the hash in a double. */
export const ringPointsMax: number = 2 ** 20

/** Points on a circle of uint32, each with its owner, before they are in order. */
export class RingPoints {
  readonly #points: Float64Array
  #count = 0

  constructor(count: number) {
    this.#points = new Float64Array(count)
  }

  /** @param hash uint32. @param owner from 0 to 2^21 − 1. */
  add(hash: number, owner: number): void {
    this.#points[this.#count++] = hash * ownerRange + owner
  }

  /** Cold. O(points · log points). Of points at the same place the one whose owner comes first is first. */
  sorted(): { readonly hashes: Uint32Array; readonly owners: Int32Array } {
    const sorted = this.#points.subarray(0, this.#count).sort()
    const hashes = new Uint32Array(sorted.length)
    const owners = new Int32Array(sorted.length)
    for (let i = 0; i < sorted.length; i++) {
      const point = sorted[i]!
      const hash = Math.floor(point / ownerRange)
      hashes[i] = hash
      owners[i] = point - hash * ownerRange
    }
    return { hashes, owners }
  }
}

const ownerRange = 2 ** 21

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
