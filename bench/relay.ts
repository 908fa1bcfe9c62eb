/**
 * What one relayed request costs, beside the best of the field: `npm run bench`, docs/performance.md.
 *
 * Balancers run on one core, load and backends on the other. Peers take turns round by round, so that whatever
 * else the machine does touches all of them; CPU time is read from the kernel, not from a clock on the wall.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startBackends } from "./measuring/backends.ts"
import { makeCertificate } from "./measuring/certificate.ts"
import { type Contestant, enter, type Ground, peerOf } from "./measuring/field.ts"
import { headFinding } from "./head.ts"
import { type Machine, machineText, thisMachine } from "./measuring/machine.ts"
import { countCalls, onceNames, weighIdle } from "./once.ts"
import { type BenchOptions, help, parseOptions } from "./measuring/options.ts"
import type { Peer } from "./peers/peer.ts"
import { versionOf } from "./measuring/processes.ts"
import { type Finding, textOf, withFindings } from "./measuring/report.ts"
import { scenarioNamed, scenarios } from "./measuring/scenarios.ts"
import { findingOf, tryOut } from "./measuring/trial.ts"

/** What is needed whichever peers are compared. */
const needed = [
  ["nginx", ["-v"], "apt-get install nginx"],
  ["wrk", ["-v"], "apt-get install wrk"],
  ["taskset", ["-V"], "apt-get install util-linux"],
  ["openssl", ["version"], "apt-get install openssl"],
] as const

/** The exit code: 0 when every figure is valid. */
async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(help)
    return 0
  }
  const names = namesOf(options)
  const peers = options.peers.map(peerOf)
  const missing = needed.filter(([command, args]) => versionOf(command, args, /(.*)/) === undefined)
  for (const [command, , install] of missing) console.error(`bench: ${command} is not installed: ${install}`)
  if (missing.length > 0) return 1
  // This process is part of the load: it renews leases and waits.
  spawnSync("taskset", ["-acp", options.loadCores, String(process.pid)])
  const folder = mkdtempSync(join(tmpdir(), "linebacker-bench-"))
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  const findings = await compare(folder, peers, names, options)
  return findings.every(({ isValid }) => isValid) ? 0 : 1
}

/** What is to be measured. Throws a TypeError when a name is none. */
function namesOf({ only }: BenchOptions): readonly string[] {
  const known = [...scenarios.map(({ name }) => name), ...onceNames]
  for (const name of only ?? []) {
    if (!known.includes(name))
      throw new TypeError(`there is no "${name}" to measure, only ${known.join(", ")}`)
  }
  return only ?? known
}

async function compare(
  folder: string,
  peers: readonly Peer[],
  names: readonly string[],
  options: BenchOptions,
): Promise<Finding[]> {
  const backends = await startBackends(join(folder, "backends"), options.loadCores)
  const ground: Ground = { folder, backends: backends.ports, certificate: makeCertificate(folder) }
  const machine = thisMachine()
  const field: Contestant[] = []
  const findings: Finding[] = []
  try {
    console.log(machineText(machine))
    for (const peer of peers) {
      const contestant = await enter(peer, ground, options)
      if (contestant === undefined) console.log(`  SKIPPED: ${peer.name} is not installed: ${peer.install}`)
      else console.log(`  ${peer.name} ${contestant.version}`)
      if (contestant !== undefined) field.push(contestant)
    }
    for (const name of names) {
      for await (const finding of findingsOf(name, field, ground, options)) {
        findings.push(finding)
        console.log(`\n${textOf(finding)}`)
        // After each, so that a long run that is stopped has not been for nothing.
        write(findings, machine, field, options)
      }
    }
  } finally {
    for (const contestant of field) await contestant.stop()
    await backends.running.stop()
  }
  return findings
}

async function* findingsOf(
  name: string,
  field: readonly Contestant[],
  ground: Ground,
  options: BenchOptions,
): AsyncGenerator<Finding> {
  if (name === "syscalls") yield await countCalls(field, ground, options)
  if (name === "idle") yield await weighIdle(field, ground, options)
  if (name === "head") yield await headFinding()
  const scenario = scenarioNamed(name)
  if (scenario === undefined) return
  for (const connections of options.connections ?? scenario.connections) {
    yield findingOf(await tryOut(scenario, connections, field, ground.folder, options))
  }
}

function write(
  findings: readonly Finding[],
  machine: Machine,
  field: readonly Contestant[],
  options: BenchOptions,
): void {
  const peers = field.map(({ peer, version }) => `${peer.name} ${version}`)
  const { json, markdown, rounds, seconds } = options
  if (json !== undefined) {
    const measured = findings.map(({ name, title, isValid, data }) => ({ name, title, isValid, data }))
    writeFileSync(
      json,
      `${JSON.stringify({ machine, peers, rounds, seconds, findings: measured }, undefined, 2)}\n`,
    )
  }
  if (markdown !== undefined) {
    const below = `${machineText(machine)}; ${peers.join(", ")}; ${rounds} rounds of ${seconds} s`
    writeFileSync(markdown, withFindings(readFileSync(markdown, "utf8"), findings, below))
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof TypeError ? `bench: ${error.message}` : error)
  process.exitCode = 1
}
