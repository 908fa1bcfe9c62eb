import { LeastInTurns } from "./least-in-turns.ts"
import { inFlight } from "./load-metrics.ts"
import type { PolicyEntry } from "../policy.ts"

/** The fewest attempts in flight per weight, as nginx's `least_conn`. See `LeastInTurns`. O(n) per pick. */
export const leastConnections = {
  summary: "The fewest attempts in flight per weight; among equals, weighted round robin.",
  make: () => new LeastInTurns("least-connections", inFlight),
  seesDemand: false,
} as const satisfies PolicyEntry
