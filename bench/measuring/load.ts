/** Drives wrk: a closed loop in which every connection asks again as soon as it has its answer. */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Scenario } from "./scenarios.ts"
import { parseWrk, type WrkResult } from "./wrk-output.ts"

/** No response within this is counted as a fault. */
const answerSecondsMax = 20

export interface Load {
  readonly scenario: Scenario
  readonly connections: number
  readonly seconds: number
  readonly port: number
  readonly cores: string
  /** Where a script for wrk may be written. */
  readonly folder: string
}

export async function runWrk(load: Load): Promise<WrkResult> {
  const { scenario, connections, seconds, port, cores } = load
  const url = `${scenario.tls ? "https" : "http"}://127.0.0.1:${port}${scenario.path}`
  const output = await outputOf("taskset", [
    "-c",
    cores,
    "wrk",
    "--latency",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    `--timeout=${answerSecondsMax}s`,
    ...scenario.fields.flatMap((field) => ["-H", field]),
    ...(scenario.uploadBytes === 0 ? [] : ["-s", uploadScript(load)]),
    url,
  ])
  return parseWrk(output)
}

/** Requests after which compilers have done their work; few large bodies a second take longer than small ones. */
const warmRequests = 5_000
const warmUpsMax = 5

/** Makes a peer work, for the load's seconds and again until it has served enough to be at its usual speed. */
export async function warmUp(load: Load): Promise<void> {
  if (load.seconds === 0) return
  let requests = 0
  for (let i = 0; i < warmUpsMax && requests < warmRequests; i++) requests += (await runWrk(load)).requests
}

/** Builds the request once: wrk sends the same bytes again and again. */
function uploadScript({ folder, scenario }: Load): string {
  const file = join(folder, "upload.lua")
  writeFileSync(file, `wrk.method = "POST"\nwrk.body = string.rep("x", ${scenario.uploadBytes})\n`)
  return file
}

function outputOf(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.once("error", reject)
    child.once("close", () => resolve(output))
  })
}
