import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { builtInNames } from "../src/sim/scenario/built-in.ts"
import type { KnowledgeResult, TraceResult } from "./choosing-knowledge.ts"
import type { ChoosingResult, ChoosingResults } from "./choosing-tables.ts"

/** What was measured and kept in this folder, in the order of the built-in scenarios. */
export function readResults(folder: string): ChoosingResults {
  const results: Record<string, ChoosingResult> = {}
  for (const name of builtInNames) {
    const file = join(folder, `${name}.json`)
    if (existsSync(file)) results[name] = JSON.parse(readFileSync(file, "utf8")) as ChoosingResult
  }
  return results
}

/** What was measured of sources of knowledge. */
export function readKnowledge(folder: string): KnowledgeResult {
  return JSON.parse(readFileSync(join(folder, "knowledge.json"), "utf8")) as KnowledgeResult
}

/** What was measured of recordings. */
export function readTraces(folder: string): readonly TraceResult[] {
  return JSON.parse(readFileSync(join(folder, "traces.json"), "utf8")) as TraceResult[]
}
