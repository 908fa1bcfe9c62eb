/**
 * CPU time and memory of a process with all its descendants, as the kernel counts them under /proc (proc(5)).
 *
 * The sum is what the scheduler counted in nanoseconds (`schedstat`, first number, of every thread); how it falls
 * apart into user and system is taken from the clock ticks of `stat`, which are sampled and 10 ms each.
 */
import { readdirSync, readFileSync } from "node:fs"

export interface CpuTime {
  readonly totalUs: number
  readonly userTicks: number
  readonly systemTicks: number
}

export interface Stat {
  readonly parent: number
  readonly userTicks: number
  readonly systemTicks: number
}

/** The fields of /proc/PID/stat that matter here. The name, in parentheses, may itself hold spaces and parentheses. */
export function parseStat(text: string): Stat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return { parent: Number(fields[1]), userTicks: Number(fields[11]), systemTicks: Number(fields[12]) }
}

/** Nanoseconds on a CPU, from /proc/PID/task/TID/schedstat. */
export function parseSchedstat(text: string): number {
  return Number(text.split(" ", 1)[0])
}

/** One `Name: 123 kB` line of smaps_rollup or status, in bytes; 0 when it is not there. */
export function parseKilobytes(text: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)
  return line === null ? 0 : Number(line[1]) * 1_024
}

/** The process and all its descendants. */
export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue
    const text = readOrGone(`/proc/${entry}/stat`)
    if (text === undefined) continue
    const { parent } = parseStat(text)
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const tree = [root]
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!) ?? []))
  return tree
}

/** What the tree has used since its start. Threads that have ended are missing from the sum; none do while it is measured. */
export function cpuTimeOf(root: number): CpuTime {
  let nanos = 0
  let userTicks = 0
  let systemTicks = 0
  for (const pid of treeOf(root)) {
    const stat = readOrGone(`/proc/${pid}/stat`)
    if (stat === undefined) continue
    const parsed = parseStat(stat)
    userTicks += parsed.userTicks
    systemTicks += parsed.systemTicks
    for (const thread of threadsOf(pid)) {
      const text = readOrGone(`/proc/${pid}/task/${thread}/schedstat`)
      if (text !== undefined) nanos += parseSchedstat(text)
    }
  }
  return { totalUs: nanos / 1_000, userTicks, systemTicks }
}

export interface CpuUse {
  readonly totalUs: number
  readonly userUs: number
  readonly systemUs: number
}

/** What was used between two readings. */
export function cpuBetween(before: CpuTime, after: CpuTime): CpuUse {
  const totalUs = after.totalUs - before.totalUs
  const user = after.userTicks - before.userTicks
  const ticks = user + after.systemTicks - before.systemTicks
  const userUs = ticks === 0 ? totalUs : (totalUs * user) / ticks
  return { totalUs, userUs, systemUs: totalUs - userUs }
}

export interface Memory {
  /** Resident pages; those that several processes share count for each. */
  readonly rssBytes: number
  /** Resident pages; a shared one counts in parts. */
  readonly pssBytes: number
}

export function memoryOf(root: number): Memory {
  let rssBytes = 0
  let pssBytes = 0
  for (const pid of treeOf(root)) {
    const text = readOrGone(`/proc/${pid}/smaps_rollup`) ?? ""
    rssBytes += parseKilobytes(text, "Rss")
    pssBytes += parseKilobytes(text, "Pss")
  }
  return { rssBytes, pssBytes }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** A process may end between being listed and being read. */
function readOrGone(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
