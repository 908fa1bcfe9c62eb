/** From the text of a configuration file and the flags of a command line to `Config`, or to all mistakes. */

import { readFileSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { fail, ok, type Result } from "../core/result.ts"
import type { ConfigIssue } from "../text/issue.ts"
import { inOrder, problemsIn, type ConfigProblem } from "../text/problem.ts"
import { pathText, readYaml, type YamlTree } from "../text/yaml.ts"
import { adviceOn } from "./config-advice.ts"
import { applyFlags, type ConfigFlags } from "./config-flags.ts"
import { parseConfig } from "./config-parse.ts"
import type { PolicyTable } from "./config-checks.ts"
import type { Config } from "./config.ts"
import { underPresentNames } from "./former-names.ts"

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
  /** Told of each setting of a valid configuration that has no effect, in the order of the file. */
  readonly onAdvice?: (advice: ConfigProblem) => void
}

/** A larger configuration file, or file named in one, is refused, bytes. */
const configBytesMax = 1024 * 1024

/** Reads a configuration. Problems are in the order of the file, those of flags last. */
export function readConfig(source: ConfigSource): Result<Config, readonly ConfigProblem[]> {
  const folder = dirname(resolve(source.file))
  const readFile = (path: string) => (source.readFile ?? readTextFile)(resolve(folder, path))
  const yaml = readYaml(source.text, { env: source.env, readFile })
  const renamed = underPresentNames(yaml.value)
  const flagged = applyFlags(renamed.value, source.flags ?? {})

  const resolvePath = (path: string) => resolve(folder, path)
  const context = { policies: source.policies, readFile, resolvePath }
  const parsed = yaml.broken ? undefined : parseConfig(flagged.value, context)
  const placed = (issues: readonly ConfigIssue[]) => {
    const asWritten = issues.map((issue) => ({ ...issue, path: renamed.pathOf(issue.path) }))
    return inOrder(placedIssues(source.file, yaml, flagged.flags, asWritten))
  }
  if (parsed?.ok === true && yaml.issues.length === 0) {
    for (const advice of placed([...renamed.advice, ...adviceOn(parsed.value, flagged.value)]))
      source.onAdvice?.(advice)
    return parsed
  }
  return fail(placed(parsed === undefined || parsed.ok ? [] : parsed.error))
}

/** What is wrong with the file as YAML, then the issues: each where it stands, in the file or among the flags. */
function placedIssues(
  file: string,
  yaml: YamlTree,
  flags: ReadonlyMap<string, string>,
  issues: readonly ConfigIssue[],
): ConfigProblem[] {
  // What is wrong within what a flag has put there is wrong with the flag.
  const flagOf = ({ path }: ConfigIssue) =>
    path.map((_, index) => flags.get(pathText(path.slice(0, index + 1)))).find(Boolean)
  const inFile = issues.filter((issue) => flagOf(issue) === undefined)
  const problems = problemsIn(file, yaml, inFile)
  for (const issue of issues) {
    const { path, message, found } = issue
    const place = flagOf(issue)
    if (place === undefined) continue
    problems.push({ place, line: undefined, column: undefined, path: pathText(path), message, found })
  }
  return problems
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
