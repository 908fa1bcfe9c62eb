/** A policy of the user's own, from a file: JavaScript, or TypeScript whose types can be erased. */

import { statSync } from "node:fs"
import { basename, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { fail, ok, type Result } from "../core/result.ts"
import type { PolicyEntry } from "../policies/index.ts"
import { loadPolicyModule } from "../proxy/own-policies.ts"

export interface OwnPolicy {
  /** The file's name without its ending. */
  readonly name: string
  readonly entry: PolicyEntry
}

/** Whether a policy is meant by its file: `./mine.ts`, `/somewhere/mine.js`. */
export function isPolicyFile(text: string): boolean {
  return /^\.{0,2}[/\\]|\.[cm]?[jt]s$/.test(text)
}

/** Loads the row of a policy; see `ownPolicy`. What it does wrong during a run ends the run with a `PolicyFault`. */
export async function loadPolicyFile(file: string): Promise<Result<OwnPolicy, string>> {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return fail(`there is no file "${file}"`)
  const entry = await loadPolicyModule(pathToFileURL(resolve(file)).href, file, (fault) => {
    throw fault
  })
  const name = basename(file).replace(/\.[cm]?[jt]s$/, "")
  return entry.ok ? ok({ name, entry: entry.value }) : entry
}
