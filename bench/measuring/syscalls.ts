/**
 * System calls per request, counted by `strace -c -f` while wrk runs. Tracing slows a program down many times over,
 * so nothing else is measured meanwhile; how often a program reads, writes and waits per request stays the same.
 */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Load, runWrk } from "./load.ts"

export interface SystemCalls {
  readonly name: string
  readonly calls: number
}

/** Reads the table of `strace -c`: most frequent first. */
export function parseStrace(table: string): SystemCalls[] {
  return [...table.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z]\w*)$/gm)]
    .map(([, calls, name]) => ({ name: name!, calls: Number(calls) }))
    .filter(({ name }) => name !== "total")
    .toSorted((a, b) => b.calls - a.calls)
}

export interface CallsPerRequest {
  readonly total: number
  readonly byName: readonly SystemCalls[]
}

/** Traces a process with all its threads and children over one run of wrk. */
export async function callsPerRequest(pids: readonly number[], load: Load): Promise<CallsPerRequest> {
  const file = join(load.folder, "strace.txt")
  const targets = pids.flatMap((pid) => ["-p", String(pid)])
  const strace = spawn("taskset", ["-c", load.cores, "strace", "-c", "-f", "-o", file, ...targets], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  const ended = new Promise<void>((resolve, reject) =>
    strace.once("close", () => resolve()).once("error", reject),
  )
  const attached = new Promise<void>((resolve) => strace.stderr.once("data", () => resolve()))
  await Promise.race([attached, ended])
  const { requests } = await runWrk(load)
  strace.kill("SIGINT")
  await ended
  const byName = parseStrace(readFileSync(file, "utf8")).map(({ name, calls }) => ({
    name,
    calls: calls / requests,
  }))
  return { total: byName.reduce((sum, { calls }) => sum + calls, 0), byName }
}
