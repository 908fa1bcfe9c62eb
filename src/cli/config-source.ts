import { readFileSync } from "node:fs"
import type { Config } from "../control/config.ts"
import { type ConfigFileContext, formatProblem, type Override, readConfig } from "../control/config-file.ts"
import { fail, ok } from "../core/result.ts"
import { policies } from "../policies/index.ts"
import { type Given, type Io, text } from "./command.ts"
import type { FlagSetting } from "./flags.ts"

export const configContext: ConfigFileContext = {
  policies,
  env: process.env,
  readFile(path) {
    try {
      return ok(readFileSync(path, "utf8"))
    } catch (error) {
      return fail(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
    }
  },
}

/**
 * The configuration of `-c FILE` (none: the defaults) under the flags. Prints every problem and answers undefined
 * when there are any. `preset` is what the command itself sets, below the file and the flags.
 */
export function loadConfig(
  given: Given,
  flags: readonly FlagSetting[],
  io: Io,
  preset: Readonly<Record<string, unknown>> = {},
): Config | undefined {
  const file = text(given, "config")
  const read = file === undefined ? ok("") : configContext.readFile(file)
  if (!read.ok) {
    io.err(`${read.error}\n`)
    return undefined
  }
  const presets: Override[] = Object.entries(preset).map(([key, value]) => ({
    from: "preset",
    path: [key],
    value,
  }))
  const overrides: Override[] = flags.map(({ flag, path, value }) => ({ from: flag, path, value }))
  const config = readConfig(file ?? "", read.value, [...presets, ...overrides], configContext)
  if (config.ok) return config.value
  for (const problem of config.error) io.err(`${formatProblem(problem)}\n`)
  return undefined
}
