/** Where the figures come from. */
import { readFileSync } from "node:fs"
import { cpus, loadavg, release, totalmem, type } from "node:os"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly kernel: string
  /** Paces what every peer sends. */
  readonly congestionControl: string
  readonly node: string
  readonly date: string
  /** Programs that ran or wanted to in the minute before: what else the machine had to do. */
  readonly loadBefore: number
}

export function thisMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    congestionControl: readFileSync("/proc/sys/net/ipv4/tcp_congestion_control", "utf8").trim(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    loadBefore: loadavg()[0]!,
  }
}

export function machineText(machine: Machine): string {
  const { congestionControl, cpu, cores, date, kernel, loadBefore, memoryGib, node } = machine
  const hardware = `${cpu}, ${cores} cores, ${memoryGib} GiB`
  return `${date}; ${hardware}; ${kernel}, TCP ${congestionControl}; Node ${node}; load before ${loadBefore.toFixed(1)}`
}
