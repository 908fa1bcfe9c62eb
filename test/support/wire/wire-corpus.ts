/** The corpora of others, which lie beside the repository and are no part of it. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dirname, "..", "..", "..", "..", "shared", "wire-corpus")

export interface LlhttpCase {
  readonly id: string
  /** `request`, `response`, or one of these with a mode behind it: `request-lenient-headers`. */
  readonly type: string
  readonly input: string
  /** Why llhttp refuses it in that mode. */
  readonly error: string | null
  readonly messages: number
  readonly complete: number
}

export interface SmugglerCase {
  readonly id: string
  /** A field line without its CRLF, or more than one. */
  readonly gadget: string
}

/** Why the tests that need the corpora cannot run, for `skip`; false when they can. */
export const withoutCorpora: string | false = existsSync(folder)
  ? false
  : "the corpora (../shared/wire-corpus) are not beside this repository"

export function llhttpCases(): readonly LlhttpCase[] {
  return withoutCorpora === false ? (casesIn("llhttp.json") as LlhttpCase[]) : []
}

export function smugglerCases(): readonly SmugglerCase[] {
  return withoutCorpora === false ? (casesIn("smuggler.json") as SmugglerCase[]) : []
}

function casesIn(file: string): readonly unknown[] {
  return (JSON.parse(readFileSync(join(folder, file), "utf8")) as { cases: readonly unknown[] }).cases
}
