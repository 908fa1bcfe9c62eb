/** Policies that send requests of one key to one backend. */
import type { PolicyEntry } from "./policy.ts"

export const hashes = {} as const satisfies Record<string, PolicyEntry>
