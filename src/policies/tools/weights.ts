import type { Backend } from "../../core/backend.ts"

/** Cold. Whether weights say nothing of these. */
export function haveEqualWeights(members: readonly Backend[]): boolean {
  return members.every(({ weight }) => weight === members[0]!.weight)
}
