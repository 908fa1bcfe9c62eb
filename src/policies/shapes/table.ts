/** Policies that compare the shape of a request with the shape of a backend, or of its room. */
import { MinMax } from "./min-max.ts"
import { ratioThenShare } from "./ratio-then-share.ts"
import { cosine } from "./cosine.ts"
import { logRatio } from "./log-ratio.ts"
import type { PolicyEntry } from "../policy.ts"

export const shapes = {
  "ratio-then-share": ratioThenShare,
  "log-ratio": logRatio,
  cosine,
  "min-max": MinMax.entry,
} as const satisfies Record<string, PolicyEntry>
