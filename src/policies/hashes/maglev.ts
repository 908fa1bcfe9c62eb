import type { Backend } from "../../core/backend.ts"
import { xxhash32 } from "../../core/hash.ts"
import { mix32 } from "../../core/rng.ts"
import { KeyTablePolicy, type KeyTable } from "./key-table.ts"
import { balanceFactorOf, balanceFactorParameter } from "./load-bound.ts"
import type { Parameter, Policy, PolicyContext } from "../policy.ts"

export const maglevParameters = {
  tableSize: {
    summary: "The number of places in the table, raised to a prime. 100 times the backends share within 1 %.",
    default: 65_537,
    min: 3,
    max: 5_000_011,
    isInteger: true,
  },
  balanceFactor: balanceFactorParameter,
} as const satisfies Record<string, Parameter>

/**
 * A table that the backends fill in turns, each in an order of its own, so that all get the same number of places
 * but for one; a key belongs to whose place it falls on. More even than a ring and quicker to look into, but when a
 * backend comes or goes, some keys move between the others too. See `KeyTablePolicy` for the rest.
 *
 * The order of a backend steps through the table from one hash of its id by another; that meets every place, because
 * the table's size is a prime. Turns are taken in order of id, so that the order of registration does not matter.
 * A backend takes a turn in every round if it is the heaviest, else in the part of them that its weight is of
 * that; one much lighter than 1/tableSize of all may have no place and then is picked only when others are refused.
 *
 * @see Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4. The
 * weights are as in Envoy.
 */
export function maglev({ rng, parameters }: PolicyContext): Policy {
  const size = primeFrom(parameters["tableSize"]!)
  return new KeyTablePolicy("maglev", rng, balanceFactorOf(parameters), (members) =>
    maglevTable(members, size),
  )
}

/** Cold. O(size · log size) on average. `size` is a prime. */
export function maglevTable(members: readonly Backend[], size: number): KeyTable {
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
export function primeFrom(number: number): number {
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
