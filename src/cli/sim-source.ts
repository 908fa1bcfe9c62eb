/** Which scenario is played: a built-in one or a file, with recordings in the place of its requests or its fleet. */

import { createReadStream, readFileSync } from "node:fs"
import { basename } from "node:path"
import { readTextFile } from "../config/config-file.ts"
import { didYouMean } from "../text/suggest.ts"
import { formatProblem } from "../text/problem.ts"
import { type BuiltInName, builtInNames, builtInUrl, isBuiltInName } from "../sim/scenario/built-in.ts"
import { readScenario } from "../sim/scenario/scenario-file.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { readTrace, type Trace } from "../sim/scenario/trace.ts"
import { withTraces } from "../sim/scenario/traced-scenario.ts"
import { type ExitCode, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"

const scenarioDefault: BuiltInName = "three-types"
/** For recorded requests, which need a fleet that has a space. */
const scenarioOfRequests: BuiltInName = "llm"

/** The text of a scenario, or the exit code of what was said to be wrong. */
export function scenarioText(
  name: string,
  io: Io,
): { readonly file: string; readonly text: string } | ExitCode {
  if (isBuiltInName(name)) return { file: `${name}.yaml`, text: readFileSync(builtInUrl(name), "utf8") }
  if (!/[/\\.]/.test(name)) {
    const near =
      didYouMean(name, builtInNames) || `; there are ${builtInNames.join(", ")}, and files like ./mine.yaml`
    throw new UsageError(`there is no scenario "${name}"${near}`)
  }
  const text = readTextFile(name)
  if (text.ok) return { file: name, text: text.value }
  io.err(`${name}: cannot be read: ${text.error}\n`)
  return 1
}

/** The scenario by its name or file, checked, with the recordings that `--trace` names. */
export async function scenarioOf(
  name: string | undefined,
  traceFiles: string | undefined,
  seed: number,
  io: Io,
): Promise<Scenario | ExitCode> {
  const traces: Trace[] = []
  for (const file of traceFiles?.split(",") ?? []) {
    const trace = await traceOf(file, io)
    if (typeof trace === "number") return trace
    traces.push(trace)
  }
  const isRequests = traces.some(({ kind }) => kind === "requests")
  const source = scenarioText(name ?? (isRequests ? scenarioOfRequests : scenarioDefault), io)
  if (typeof source === "number") return source
  const scenario = readScenario(source)
  if (!scenario.ok) {
    for (const problem of scenario.error) io.err(`${formatProblem(problem)}\n`)
    return 1
  }
  if (traces.length === 0) return scenario.value
  const traced = withTraces(scenario.value, traces, seed)
  if (!traced.ok) {
    io.err(`--trace: ${traced.error}\n`)
    return 1
  }
  const recordings = traces.map(({ file }) => basename(file)).join(" and ")
  return { ...traced.value, summary: `${traced.value.summary} With ${recordings}.`.trim() }
}

/** One recording, or the exit code of what was said to be wrong with it. */
export async function traceOf(file: string, io: Io): Promise<Trace | ExitCode> {
  try {
    const trace = await readTrace(file, createReadStream(file, { encoding: "utf8" }) as AsyncIterable<string>)
    if (trace.ok) return trace.value
    io.err(`${formatProblem(trace.error)}\n`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    io.err(
      `${file}: cannot be read: ${code === "ENOENT" ? "there is no such file" : `the system says ${code}`}\n`,
    )
  }
  return 1
}
