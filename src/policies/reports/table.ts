/** Policies that go by what backends say of themselves. */
import { OrcaWeightedRoundRobin } from "./orca-weighted-round-robin.ts"
import { Prequal } from "./prequal.ts"
import type { PolicyEntry } from "../policy.ts"

export const reports = {
  "orca-weighted-round-robin": OrcaWeightedRoundRobin.entry,
  prequal: Prequal.entry,
} as const satisfies Record<string, PolicyEntry>
