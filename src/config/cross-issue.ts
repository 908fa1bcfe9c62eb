import type { ConfigIssue } from "../text/issue.ts"

/** A mistake, and which settings it is about: when one of them is wrong by itself, the mistake does not count. */
export interface CrossIssue extends ConfigIssue {
  readonly about: readonly string[]
}
