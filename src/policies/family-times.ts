/** Policies that compare how long backends take, as measured or as reported. */
import type { PolicyEntry } from "./policy.ts"

export const times = {} as const satisfies Record<string, PolicyEntry>
