/**
 * How the threads share the memory that there is. Left to itself each of them takes the machine's for its own: in a
 * container of 384 MiB three heaps may grow to 259 MiB each, and the system ends the process.
 */
import { totalmem } from "node:os"
import { getHeapStatistics } from "node:v8"

const mebibyte = 1024 * 1024
/**
 * What the heaps of all data-plane threads may take together, and the main thread's again: bin/linebacker sets that.
 */
const heapPart = 0.3
/** A thread with less has no room for its own code and a burst of connections. */
const threadMiBMin = 32
/** What V8 allows at most by itself on a large machine. */
const threadMiBMax = 4_096

export interface Memory {
  /** Of the machine, or of the container (its control group) where that has less. */
  readonly bytes: number
  readonly isContainer: boolean
}

/** @param limit of the control group as Node.js tells it: 0, or more than there is, when there is none. */
export function memoryOf(limit: number = process.constrainedMemory(), total: number = totalmem()): Memory {
  return limit > 0 && limit < total
    ? { bytes: limit, isContainer: true }
    : { bytes: total, isContainer: false }
}

/** The limit of each data-plane thread's heap, MiB. One that reaches it dies alone, and is replaced. */
export function threadHeapMiB({ bytes }: Memory, threads: number): number {
  const share = Math.floor((bytes * heapPart) / mebibyte / threads)
  return Math.min(threadMiBMax, Math.max(threadMiBMin, share))
}

/** One line that says how much memory there is and how much each heap may take; where that is too much, what to do. */
export function memoryLine(
  memory: Memory,
  threads: number,
  mainMiB: number = getHeapStatistics().heap_size_limit / mebibyte,
): string {
  const { bytes, isContainer } = memory
  const threadMiB = threadHeapMiB(memory, threads)
  const all = Math.round(bytes / mebibyte)
  const heaps = Math.round(mainMiB) + threads * threadMiB
  const short =
    heaps <= all * 0.75
      ? ""
      : "; that is little for so many threads: set workers to fewer, or give it more memory"
  return (
    `memory: ${all} MiB of the ${isContainer ? "container" : "machine"}; heaps may take ${Math.round(mainMiB)} MiB ` +
    `in the main thread and ${threadMiB} MiB in each of ${threads} data-plane threads${short}`
  )
}
