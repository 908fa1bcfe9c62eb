/** Where the figures come from. */
import { cpus, release, totalmem, type } from "node:os"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly kernel: string
  readonly node: string
  readonly date: string
}

export function thisMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
}

export function machineText({ cpu, cores, memoryGib, kernel, node, date }: Machine): string {
  return `${date}; ${cpu}, ${cores} cores, ${memoryGib} GiB; ${kernel}; Node ${node}`
}
