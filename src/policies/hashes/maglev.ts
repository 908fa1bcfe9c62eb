import { KeyTablePolicy } from "./key-table.ts"
import { balanceFactorOf, balanceFactorParameter } from "./load-bound.ts"
import type { Parameter, Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { maglevTable } from "./maglev-table.ts"

const maglevParameters = {
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
 * A table that the backends fill in turns, each in an order of its own, so that all get the same number of places but
 * for one; a key belongs to the backend that has the place it falls on. More even than a ring and quicker to look into,
 * but when a backend comes or goes, some keys move between the others too. See `KeyTablePolicy` for the rest.
 *
 * The order of a backend steps through the table from one hash of its id by another; that meets every place, because
 * the table's size is a prime. Turns are taken in order of id, so that the order of registration does not matter.
 * A backend takes a turn in every round if it is the heaviest, else in the part of them that its weight is of
 * that; one much lighter than 1/tableSize of all may have no place and then is picked only when others are refused.
 *
 * @see Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4. The
 * weights are as in Envoy.
 */
export const maglev = {
  summary:
    "The same backend for the same key, by a table whose slots go to the backends in turn: the most even split.",
  make({ rng, parameters }: PolicyContext): Policy {
    const size = parameters["tableSize"]!
    return new KeyTablePolicy("maglev", rng, balanceFactorOf(parameters), (members) =>
      maglevTable(members, size),
    )
  },
  parameters: maglevParameters,
  seesDemand: false,
  sticks: true,
} as const satisfies PolicyEntry
