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
import { startBackends } from "./backends.ts"
import { makeCertificate } from "./certificate.ts"
import { type Contestant, enter, peerOf } from "./field.ts"
import { thisMachine } from "./machine.ts"
import { measure, type Measurement } from "./measure.ts"
import { type BenchOptions, help, parseOptions } from "./options.ts"
import { columns, machineText, rowsOf, tableMarkdown, tableText, type Trial, withBlock } from "./report.ts"
import { runWrk } from "./load.ts"
import { type Scenario, scenarios } from "./scenarios.ts"
import { versionOf } from "./processes.ts"

/** All that the benchmark needs whoever is compared. */
const needed = [
  ["nginx", ["-v"], "apt-get install nginx"],
  ["wrk", ["-v"], "apt-get install wrk"],
  ["taskset", ["-V"], "apt-get install util-linux"],
  ["openssl", ["version"], "apt-get install openssl"],
] as const

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(help)
    return 0
  }
  const missing = needed.filter(([command, args]) => versionOf(command, args, /(.*)/) === undefined)
  if (missing.length > 0) {
    console.error(`missing, and installed by: ${missing.map(([, , install]) => install).join("; ")}`)
    return 1
  }
  const chosen = chosenScenarios(options)
  const folder = mkdtempSync(join(tmpdir(), "linebacker-bench-"))
  // This process is part of the load: it renews leases and waits.
  spawnSync("taskset", ["-acp", options.loadCores, String(process.pid)])
  try {
    return await compare(folder, chosen, options)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function chosenScenarios({ only }: BenchOptions): readonly Scenario[] {
  if (only === undefined) return scenarios
  return only.map((name) => {
    const scenario = scenarios.find((candidate) => candidate.name === name)
    if (scenario !== undefined) return scenario
    throw new TypeError(
      `there is no scenario "${name}"; there are ${scenarios.map((s) => s.name).join(", ")}`,
    )
  })
}

async function compare(folder: string, chosen: readonly Scenario[], options: BenchOptions): Promise<number> {
  const certificate = makeCertificate(folder)
  const backends = await startBackends(join(folder, "backends"), options.loadCores)
  const field: Contestant[] = []
  const absent: string[] = []
  const trials: Trial[] = []
  try {
    for (const name of options.peers) {
      const peer = peerOf(name)
      const contestant = await enter(peer, { folder, backends: backends.ports, certificate }, options)
      if (contestant !== undefined) field.push(contestant)
      else absent.push(`${name} is not installed: ${peer.install}`)
    }
    console.log(machineText(thisMachine()))
    for (const { peer, version } of field) console.log(`  ${peer.name} ${version}`)
    for (const line of absent) console.log(`  SKIPPED: ${line}`)
    for (const scenario of chosen) {
      for (const connections of options.connections ?? scenario.connections) {
        const trial = await run(scenario, connections, field, folder, options)
        trials.push(trial)
        console.log(`\n${titleOf(trial)}\n${tableText(columns, rowsOf(trial))}`)
        for (const line of trial.skipped) console.log(`SKIPPED: ${line}`)
      }
    }
  } finally {
    for (const contestant of field) await contestant.stop()
    await backends.running.stop()
  }
  write(trials, field, options)
  return trials.some(({ entries }) => entries.some(({ rounds }) => rounds.some((r) => r.faults.length > 0)))
    ? 1
    : 0
}

function titleOf({ scenario, connections }: Trial): string {
  return `${scenario.title}; ${connections} ${connections === 1 ? "connection" : "connections"}`
}

async function run(
  scenario: Scenario,
  connections: number,
  field: readonly Contestant[],
  folder: string,
  options: BenchOptions,
): Promise<Trial> {
  const running = field.filter(({ peer }) => peer.tls || !scenario.tls)
  const skipped = field
    .filter((one) => !running.includes(one))
    .map(({ peer }) => `${peer.name} has no TLS yet`)
  const loadFor = (contestant: Contestant, seconds: number) => ({
    scenario,
    connections,
    seconds,
    port: scenario.tls ? contestant.tlsPort : contestant.port,
    cores: options.loadCores,
    folder,
  })
  for (const contestant of running) await runWrk(loadFor(contestant, options.warmUpSeconds))
  const rounds = new Map<Contestant, Measurement[]>(running.map((contestant) => [contestant, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const [contestant, measured] of rounds) {
      const { pid } = contestant.running
      measured.push(await measure(pid, loadFor(contestant, options.seconds)))
      if (!contestant.running.isRunning()) throw new Error(`${contestant.peer.name} has ended under load`)
    }
  }
  const entries = [...rounds].map(([{ peer }, measured]) => ({ peer: peer.name, rounds: measured }))
  return { scenario, connections, entries, skipped }
}

function write(trials: readonly Trial[], field: readonly Contestant[], options: BenchOptions): void {
  const machine = thisMachine()
  const peers = Object.fromEntries(field.map(({ peer, version }) => [peer.name, version]))
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ machine, peers, trials }, undefined, 2)}\n`)
  }
  if (options.markdown === undefined) return
  let document = readFileSync(options.markdown, "utf8")
  for (const { name } of scenarios) {
    const own = trials.filter(({ scenario }) => scenario.name === name)
    if (own.length === 0) continue
    const tables = own.map((trial) => {
      const skipped = trial.skipped.map((line) => `\n\nSkipped: ${line}.`).join("")
      return `**${titleOf(trial)}**\n\n${tableMarkdown(columns, rowsOf(trial))}${skipped}`
    })
    document = withBlock(document, name, tables.join("\n\n"))
  }
  writeFileSync(options.markdown, document)
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof TypeError ? `bench: ${error.message}` : error)
  process.exitCode = 1
}
// Idle connections of checks must not keep a finished benchmark alive.
process.exit()
