// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Parameter, PickRequest, Policy, PolicyEntry } from "../policy.ts"

const firstParameters = {
  connections: {
    summary:
      "Attempts in flight from which on a backend is full and the next in line is used; 0 is no limit.",
    default: 0,
    min: 0,
    max: 1_000_000,
    isInteger: true,
  },
} as const satisfies Record<string, Parameter>

/**
 * The earliest registered member that is admitted and has fewer than `connections` attempts in flight. Packs
 * the traffic onto as few backends as will do, so that the others can be switched off.
 *
 * When all are full none is picked and the request waits, as it does in the original. Weight is not looked
 * at. Other threads may fill a backend while this one looks, so the limit can be passed by one for each of
 * them. O(1) while the first has room, else O(n).
 *
 * Prior art: HAProxy's `first`, where `maxconn` is `connections` here; Caddy's `first` has no limit.
 */
export class First implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "The one registered first that has room: as few backends as will do.",
    make: ({ parameters }) => new First(parameters["connections"]!),
    parameters: firstParameters,
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "first"
  readonly #connections: number
  #members: readonly Backend[] = []

  constructor(connections: number) {
    this.#connections = connections === 0 ? Infinity : connections
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const connections = this.#connections
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (backend.load.inFlight < connections && request.admits(backend)) return backend
    }
    return undefined
  }
}
