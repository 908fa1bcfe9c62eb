/** What is looked at once per peer, and not measured round by round: system calls and memory of idle connections. */
import { type Contestant, enter, type Ground } from "./measuring/field.ts"
import { idleMemoryOf } from "./idle.ts"
import { warmUp } from "./measuring/load.ts"
import type { BenchOptions } from "./measuring/options.ts"
import { treeOf } from "./measuring/proc.ts"
import { versionOf } from "./measuring/processes.ts"
import type { Finding } from "./measuring/report.ts"
import { scenarioNamed } from "./measuring/scenarios.ts"
import { callsPerRequest } from "./measuring/syscalls.ts"
import { loadOf } from "./measuring/trial.ts"

/** Names that `--only` knows beside the scenarios. */
export const onceNames: readonly string[] = ["syscalls", "idle", "head"]

/** Traced programs are slow: so long, at least, that opening the connections is little beside the requests. */
const tracedSecondsMin = 5
/** Calls that are made less often than once in a hundred requests are not named. */
const rare = 0.01

export async function countCalls(
  field: readonly Contestant[],
  ground: Ground,
  options: BenchOptions,
): Promise<Finding> {
  const found: { readonly peer: string; readonly total: number; readonly calls: string }[] = []
  const isInstalled = versionOf("strace", ["-V"], /(.*)/) !== undefined
  const scenario = scenarioNamed("small")!
  const connections = options.connections?.[0] ?? 64
  for (const contestant of isInstalled ? field : []) {
    const pids = treeOf(contestant.running.pid)
    const load = { ...loadOf(scenario, contestant, ground.folder, options), connections }
    // Compilers have threads, and threads have calls of their own: they are to be done first.
    await warmUp({ ...load, seconds: options.warmUpSeconds })
    const seconds = Math.max(options.seconds, tracedSecondsMin)
    const { total, byName } = await callsPerRequest(pids, { ...load, seconds })
    const named = byName.filter(({ calls }) => calls >= rare)
    const calls = named.map(({ name, calls }) => `${name} ${calls.toFixed(2)}`).join(", ")
    found.push({ peer: contestant.peer.name, total, calls })
  }
  return {
    name: "syscalls",
    title: `System calls per request; small GETs, ${connections} connections, under strace`,
    head: ["peer", "calls", "of which"],
    rows: found.map(({ peer, total, calls }) => [peer, total.toFixed(2), calls]),
    remarks: isInstalled ? [] : ["SKIPPED: strace is not installed: apt-get install strace."],
    isValid: true,
    data: found,
  }
}

/** Starts every peer anew, for memory that was once used hides what is needed now. */
export async function weighIdle(
  field: readonly Contestant[],
  ground: Ground,
  options: BenchOptions,
): Promise<Finding> {
  const rows: string[][] = []
  const data: unknown[] = []
  const { folder } = ground
  for (const { peer } of field) {
    const fresh = await enter(peer, ground, options)
    if (fresh === undefined) continue
    try {
      const wrk = { cores: options.loadCores, folder }
      const memory = await idleMemoryOf(fresh.running.pid, fresh.port, options.idleConnections, wrk)
      data.push({ peer: peer.name, ...memory })
      const { before, after, connections } = memory
      const kib = (after.pssBytes - before.pssBytes) / 1_024 / connections
      rows.push([peer.name, kib.toFixed(1), mib(before.pssBytes), mib(after.pssBytes), mib(after.rssBytes)])
    } finally {
      await fresh.stop()
    }
  }
  return {
    name: "idle",
    title: `Memory with ${options.idleConnections} idle connections that have asked once`,
    head: ["peer", "KiB per connection", "PSS MiB before", "PSS MiB after", "RSS MiB after"],
    rows,
    remarks: [],
    isValid: true,
    data,
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
