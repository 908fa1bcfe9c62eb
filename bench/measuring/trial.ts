/** One scenario at one number of connections: all peers in turn, round by round. */
import type { Contestant } from "./field.ts"
import { type Load, warmUp } from "./load.ts"
import { measure, type Measurement } from "./measure.ts"
import type { BenchOptions } from "./options.ts"
import type { Finding } from "./report.ts"
import type { Scenario } from "./scenarios.ts"
import { median } from "../../src/core/median.ts"
import { ratiosOf, spreadOf } from "./statistics.ts"

export interface Entry {
  readonly peer: string
  readonly rounds: readonly Measurement[]
}

export interface Trial {
  readonly scenario: Scenario
  readonly connections: number
  readonly entries: readonly Entry[]
  /** Peers that did not take part, and why. */
  readonly skipped: readonly string[]
}

export async function tryOut(
  scenario: Scenario,
  connections: number,
  field: readonly Contestant[],
  folder: string,
  options: BenchOptions,
): Promise<Trial> {
  const taking = field.filter(({ peer }) => peer.tls || !scenario.tls)
  const rounds = new Map<Contestant, Measurement[]>(taking.map((contestant) => [contestant, []]))
  const { loadCores: cores, seconds, warmUpSeconds } = options
  const load = { scenario, connections, cores, folder }
  for (const contestant of taking) {
    await warmUp({ ...load, seconds: warmUpSeconds, port: portOf(contestant, scenario) })
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const [contestant, measured] of rounds) {
      const { running, peer } = contestant
      measured.push(await measure(running.pid, { ...load, seconds, port: portOf(contestant, scenario) }))
      if (!running.isRunning()) throw new Error(`${peer.name} has ended under load`)
    }
  }
  return {
    scenario,
    connections,
    entries: [...rounds].map(([{ peer }, measured]) => ({ peer: peer.name, rounds: measured })),
    skipped: field.filter((one) => !taking.includes(one)).map(({ peer }) => `${peer.name} has no TLS`),
  }
}

/** A load of this scenario with the scenario's own number of connections. */
export function loadOf(
  scenario: Scenario,
  contestant: Contestant,
  folder: string,
  options: BenchOptions,
): Load {
  const { loadCores: cores, seconds } = options
  const connections = options.connections?.[0] ?? Math.max(...scenario.connections)
  return { scenario, connections, seconds, port: portOf(contestant, scenario), cores, folder }
}

function portOf({ port, tlsPort }: Contestant, scenario: Scenario): number {
  return scenario.tls ? tlsPort : port
}

/** The peer that the others are compared with. */
const references = ["nginx", "haproxy"] as const

const head = [
  "peer",
  "CPU µs per request",
  "min–max",
  "user",
  "system",
  ...references.map((name) => `× ${name} (min–max)`),
  "requests/s",
  "core busy",
  "p50 ms",
  "p99 ms",
  "PSS MiB",
] as const

export function findingOf(trial: Trial): Finding {
  const { connections, entries, scenario, skipped } = trial
  return {
    name: scenario.name,
    title: `${scenario.title}; ${connections} ${connections === 1 ? "connection" : "connections"}`,
    head,
    rows: entries.map((entry) => rowOf(entry, entries)),
    remarks: skipped.map((line) => `SKIPPED: ${line}.`),
    isValid: entries.every(isValid),
    data: trial,
  }
}

function isValid({ rounds }: Entry): boolean {
  return rounds.every(({ faults }) => faults.length === 0)
}

function rowOf(entry: Entry, entries: readonly Entry[]): string[] {
  const { peer, rounds } = entry
  if (!isValid(entry)) {
    return [peer, `INVALID: ${[...new Set(rounds.flatMap(({ faults }) => faults))].join("; ")}`]
  }
  const middle = (of: (round: Measurement) => number, digits: number): string =>
    median(rounds.map(of)).toFixed(digits)
  const cpu = spreadOf(rounds.map(({ cpuUs }) => cpuUs))
  return [
    peer,
    cpu.median.toFixed(1),
    `${cpu.min.toFixed(1)}–${cpu.max.toFixed(1)}`,
    middle(({ userUs }) => userUs, 1),
    middle(({ systemUs }) => systemUs, 1),
    ...references.map((name) =>
      ratioText(
        entry,
        entries.find((other) => other.peer === name),
      ),
    ),
    middle(({ perSecond }) => perSecond, 0),
    `${middle(({ busy }) => busy * 100, 0)} %`,
    middle(({ p50Ms }) => p50Ms, 2),
    middle(({ p99Ms }) => p99Ms, 2),
    middle(({ pssBytes }) => pssBytes / 2 ** 20, 1),
  ]
}

function ratioText(entry: Entry, reference: Entry | undefined): string {
  if (reference === undefined || !isValid(reference)) return "—"
  if (reference === entry) return "1"
  const cpuOf = ({ rounds }: Entry): number[] => rounds.map(({ cpuUs }) => cpuUs)
  const { median, min, max } = ratiosOf(cpuOf(entry), cpuOf(reference))
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}
