/** Policies that compare how long backends take, as measured or as reported. */
import { c3 } from "./c3.ts"
import { leastTime } from "./least-time.ts"
import { peakEwma } from "./peak-ewma.ts"
import { penaltyPeakEwma } from "./penalty-peak-ewma.ts"
import type { PolicyEntry } from "../policy.ts"

export const times = {
  "least-time": leastTime,
  "peak-ewma": peakEwma,
  "penalty-peak-ewma": penaltyPeakEwma,
  c3,
} as const satisfies Record<string, PolicyEntry>
