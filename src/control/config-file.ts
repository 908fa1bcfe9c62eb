/** From the text of a configuration file and the flags of a command line to `Config`, or to all mistakes. */

import { readFileSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { fail, ok, type Result } from "../core/result.ts"
import { applyFlags, type ConfigFlags } from "./config-flags.ts"
import { shown } from "./config-issue.ts"
import { parseConfig } from "./config-parse.ts"
import type { PolicyTable } from "./config-checks.ts"
import type { Config } from "./config.ts"
import { pathText, readYaml } from "./config-yaml.ts"

/** One mistake, and where to mend it. */
export interface ConfigProblem {
  /** Where it stands; undefined for a flag, or when the file itself cannot be read. */
  readonly line: number | undefined
  /** From 1, in UTF-16 units. */
  readonly column: number | undefined
  /** The file as it was named, or the flag: `--workers`. */
  readonly place: string
  /** `checks.interval`, `resources[1].name`; "" for the file as a whole. */
  readonly path: string
  /** What is wrong or allowed: `expected a duration like 5s or 250ms`. */
  readonly message: string
  /** What stands there, where that says anything and is no secret. */
  readonly found: string | undefined
}

/** What a configuration is read from. */
export interface ConfigSource {
  /** What problems call the file. Files that it names are relative to its folder. */
  readonly file: string
  readonly text: string
  /** Replace what the file says. */
  readonly flags?: ConfigFlags
  readonly policies: PolicyTable
  /** For `${NAME}`. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** For `${file:PATH}` and token files; gets absolute paths. `readTextFile` unless a test knows better. */
  readonly readFile?: (path: string) => Result<string, string>
}

/** A larger configuration file, or file named in one, is refused, bytes. */
export const configBytesMax: number = 1024 * 1024

/** Reads a configuration. Problems are in the order of the file, those of flags last. */
export function readConfig(source: ConfigSource): Result<Config, readonly ConfigProblem[]> {
  const folder = dirname(resolve(source.file))
  const readFile = (path: string) => (source.readFile ?? readTextFile)(resolve(folder, path))
  const yaml = readYaml(source.text, { env: source.env, readFile })
  const flagged = applyFlags(yaml.value, source.flags ?? {})

  const resolvePath = (path: string) => resolve(folder, path)
  const context = { policies: source.policies, readFile, resolvePath }
  const parsed = yaml.broken ? undefined : parseConfig(flagged.value, context)
  if (parsed?.ok === true && yaml.issues.length === 0) return parsed

  const problems = yaml.issues.map(({ message, path, place }): ConfigProblem => {
    return { place: source.file, ...place, path: pathText(path), message, found: undefined }
  })
  for (const { path, at, message, found } of parsed === undefined || parsed.ok ? [] : parsed.error) {
    const flag = flagged.flags.get(pathText(path))
    if (flag === undefined) {
      const { place, written } = yaml.locate(path, at)
      // What a variable held may be a secret: what was written is shown in its place.
      const foundText =
        found === undefined || written === undefined ? found : `${shown(written)}, which is text`
      problems.push({ place: source.file, ...place, path: pathText(path), message, found: foundText })
    } else {
      problems.push({ place: flag, line: undefined, column: undefined, path: pathText(path), message, found })
    }
  }
  return fail(inOrder(problems))
}

/** Reads a configuration from its file; without one, from defaults and flags. */
export function loadConfig(
  file: string | undefined,
  options: Omit<ConfigSource, "file" | "text">,
): Result<Config, readonly ConfigProblem[]> {
  if (file === undefined) return readConfig({ ...options, file: "", text: "" })
  const text = (options.readFile ?? readTextFile)(resolve(file))
  if (text.ok) return readConfig({ ...options, file, text: text.value })
  const message = `cannot be read: ${text.error}`
  return fail([{ place: file, line: undefined, column: undefined, path: "", message, found: undefined }])
}

/**
 * `linebacker.yaml:12:3: checks.interval: expected a duration like 5s or 250ms, found "fast"`: always one line,
 * without control characters, whatever the file holds.
 */
export function formatProblem({ place, line, column, path, message, found }: ConfigProblem): string {
  const where = line === undefined ? place : `${place}:${line}:${column}`
  // A flag says itself which setting is meant.
  const what = path === "" || place.startsWith("--") ? "" : `${path}: `
  const whole = `${where}: ${what}${message}${found === undefined ? "" : `, found ${found}`}`
  return whole.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  })
}

/** The whole text of a file, or why it cannot be read, as the end of a sentence. */
export function readTextFile(path: string): Result<string, string> {
  try {
    // A device or a pipe has no size to check and may never end.
    const stat = statSync(path)
    if (!stat.isFile()) return fail("it is not a file")
    if (stat.size > configBytesMax) return fail(`it is larger than ${configBytesMax} bytes`)
    return ok(readFileSync(path, "utf8"))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown"
    return fail(reasons[code] ?? `the system says ${code}`)
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "permission is denied",
}

function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  // An anchor that is used twice gives the same mistake twice.
  const once = new Map(problems.map((problem) => [formatProblem(problem), problem]))
  return [...once.values()].sort(
    (a, b) =>
      (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER) ||
      (a.column ?? 0) - (b.column ?? 0),
  )
}
