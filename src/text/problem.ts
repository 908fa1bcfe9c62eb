/** A mistake as a person gets to see it: where it stands, what is wrong, what is allowed. */

import { shown, type ConfigIssue } from "./issue.ts"
import { pathText, type YamlTree } from "./yaml.ts"

/** One mistake, and where to fix it. */
export interface ConfigProblem {
  /** Where it stands; undefined for a flag, or when the file itself cannot be read. */
  readonly line: number | undefined
  /** From 1, in UTF-16 units. */
  readonly column: number | undefined
  /** The file as it was named, or the flag: `--workers`. */
  readonly place: string
  /** `checks.interval`, `resources[1].name`; "" for the file as a whole. */
  readonly path: string
  /** What is wrong or allowed: `expected a duration with its unit, like 5s or 250ms`. */
  readonly message: string
  /** What stands there, where that says anything and is no secret. */
  readonly found: string | undefined
}

/** What is wrong with a file as YAML, and then with what it says. */
export function problemsIn(file: string, yaml: YamlTree, issues: readonly ConfigIssue[]): ConfigProblem[] {
  const problems = yaml.issues.map(({ message, path, place }): ConfigProblem => {
    return { place: file, ...place, path: pathText(path), message, found: undefined }
  })
  for (const { path, at, message, found } of issues) {
    const { place, written } = yaml.locate(path, at)
    // What a variable held may be a secret: what was written is shown in its place.
    const foundText =
      found === undefined || written === undefined ? found : `${shown(written)}, which is text`
    problems.push({ place: file, ...place, path: pathText(path), message, found: foundText })
  }
  return problems
}

/**
 * `linebacker.yaml:12:3: checks.interval: expected a duration with its unit, like 5s or 250ms, found "fast"`: always
 * one line, without control characters, whatever the file holds.
 */
export function formatProblem({ place, line, column, path, message, found }: ConfigProblem): string {
  const where = line === undefined ? place : `${place}:${line}:${column}`
  // A flag says itself which setting is meant.
  const what = path === "" || place.startsWith("--") ? "" : `${path}: `
  return inOneLine(`${where}: ${what}${saidOf(message, found)}`)
}

/** The same without a file: `checks.interval: expected a duration with its unit, like 5s or 250ms, found "fast"`. */
export function formatIssue({ path, message, found }: ConfigIssue): string {
  const what = path.length === 0 ? "" : `${pathText(path)}: `
  return inOneLine(`${what}${saidOf(message, found)}`)
}

function saidOf(message: string, found: string | undefined): string {
  return found === undefined ? message : `${message}, found ${found}`
}

function inOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  })
}

/** In the order of the file, those without a line last. Each once: an anchor that is used twice gives it twice. */
export function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const once = new Map(problems.map((problem) => [formatProblem(problem), problem]))
  return [...once.values()].sort(
    (a, b) =>
      (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER) ||
      (a.column ?? 0) - (b.column ?? 0),
  )
}
