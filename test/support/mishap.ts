/**
 * Imported into the program before it starts (`node --import`), in each of its threads: lets a test that has started it
 * with an IPC channel bring a mishap on one of them.
 */
import { openSync } from "node:fs"
import { BroadcastChannel, isMainThread, workerData } from "node:worker_threads"

/**
 * What happens, and where: in the main thread, or in the data-plane thread of this lane. `spin`: it computes for ever.
 * `system`: it opens `path`, a pipe without a writer, which is a system call that does not return. `throw`: it throws
 * what nothing catches. `break`: from now on what the control plane calls throws.
 */
export interface Mishap {
  readonly to: "main" | number
  readonly kind: "spin" | "system" | "throw" | "break"
  readonly path?: string
}

const channel = new BroadcastChannel("mishaps")
channel.unref()
const lane = (workerData as { readonly options?: { readonly worker: number } } | null)?.options?.worker

function happen({ kind, path = "" }: Mishap): void {
  if (kind === "spin") for (;;);
  if (kind === "system") openSync(path, "r")
  else if (kind === "break") void breakAll()
  else throw new Error("a mishap of the test")
}

/** Everything that a timer, a message, a check or a request calls in the control plane. */
async function breakAll(): Promise<void> {
  const { Learner } = await import("../../src/learning/learner.ts")
  const { SlotAllocator } = await import("../../src/placing/load-table.ts")
  const { Registry } = await import("../../src/membership/registry.ts")
  const { Checker } = await import("../../src/control/checks.ts")
  const { StateBuilder } = await import("../../src/control/state-builder.ts")
  const broken: readonly (readonly [object, readonly string[]])[] = [
    [Learner.prototype, ["ingest", "learn", "report"]],
    [SlotAllocator.prototype, ["reclaim"]],
    [Registry.prototype, ["checked", "expire", "renew"]],
    [Checker.prototype, ["checkNow", "follow"]],
    [StateBuilder.prototype, ["sample"]],
  ]
  for (const [prototype, names] of broken) {
    for (const name of names) {
      const value = (): never => {
        throw new Error(`${name} is broken`)
      }
      Object.defineProperty(prototype, name, { value })
    }
  }
}

if (isMainThread) {
  process.on("message", (mishap: Mishap) => {
    if (mishap.to === "main") happen(mishap)
    else channel.postMessage(mishap)
  })
  process.channel?.unref()
} else {
  channel.onmessage = (event) => {
    const { data } = event as { readonly data: Mishap }
    if (data.to === lane) happen(data)
  }
}
