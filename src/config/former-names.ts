/**
 * A section under the name that it had before. Such a file goes on working, and the person who wrote it is told the
 * name of today: `backends` was how backends are spoken to, which is `upstream` since `backends` lists them.
 */

import { type ConfigIssue, type ConfigPath, isMapping } from "../text/issue.ts"

export interface Renamed {
  /** The settings under the names of today. */
  readonly value: unknown
  /** Where a setting stands as it is written. */
  readonly pathOf: (path: ConfigPath) => ConfigPath
  readonly advice: readonly ConfigIssue[]
}

/** @param written a configuration as written. Nothing is renamed where both names stand. */
export function underPresentNames(written: unknown): Renamed {
  if (!isMapping(written) || !isMapping(written["backends"]) || Object.hasOwn(written, "upstream")) {
    return { value: written, pathOf: (path) => path, advice: [] }
  }
  const { backends, ...others } = written
  return {
    value: { ...others, upstream: backends },
    pathOf: ([section, ...rest]) => [section === "upstream" ? "backends" : section!, ...rest],
    advice: [{ path: ["upstream"], at: "key", message: "is called upstream now", found: undefined }],
  }
}
