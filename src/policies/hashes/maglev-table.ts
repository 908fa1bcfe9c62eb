import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"
import { mix32 } from "../../core/rng.ts"
import type { KeyTable } from "./key-table.ts"

/**
 * Cold. O(size · log size) on average. The size of the table is the least prime that is not below `sizeMin`, which is
 * at least 2.
 */
export function maglevTable(members: readonly Backend[], sizeMin: number): KeyTable {
  const size = primeFrom(sizeMin)
  const order = members
    .map(({ id, weight }, place) => ({ id, weight, place }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const heaviest = order.reduce((most, { weight }) => Math.max(most, weight), 0)
  const next = Int32Array.from(order, ({ id }) => xxhash32(id, 0) % size)
  const skip = Int32Array.from(order, ({ id }) => (xxhash32(id, 1) % (size - 1)) + 1)
  const places = Int32Array.from(order, ({ place }) => place)
  const earns = Float64Array.from(order, ({ weight }) => weight / heaviest)
  const credits = new Float64Array(order.length)
  const owners = new Int32Array(size).fill(-1)

  let filled = 0
  for (;;) {
    for (let turn = 0; turn < places.length; turn++) {
      const credit = credits[turn]! + earns[turn]!
      credits[turn] = credit
      if (credit < 1 - 1e-9) continue
      credits[turn] = credit - 1
      const step = skip[turn]!
      let at = next[turn]!
      while (owners[at] !== -1) at = at + step < size ? at + step : at + step - size
      owners[at] = places[turn]!
      next[turn] = at
      if (++filled === size) return new MaglevTable(owners)
    }
  }
}

class MaglevTable implements KeyTable {
  readonly owners: Int32Array

  constructor(owners: Int32Array) {
    this.owners = owners
  }

  at(key: number): number {
    return mix32(key) % this.owners.length
  }
}

/** The least prime that is not below `number`, ≥ 2. */
function primeFrom(number: number): number {
  let candidate = number
  while (!isPrime(candidate)) candidate++
  return candidate
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false
  }
  return number >= 2
}
