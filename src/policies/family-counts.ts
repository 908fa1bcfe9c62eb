/** Policies that compare attempts in flight, and nothing of what those need. */
import { LeastConnections } from "./least-connections.ts"
import type { PolicyEntry } from "./policy.ts"

export const counts = {
  "least-connections": {
    summary: "The fewest attempts in flight per weight; weighted turns among the tied.",
    make: () => new LeastConnections(),
    seesDemand: false,
  },
} as const satisfies Record<string, PolicyEntry>
