/**
 * Imported into the program before it starts (`node --import`), in each of its threads: lets a test that has started it
 * with an IPC channel bring a mishap on one of them.
 */
import { openSync } from "node:fs"
import { BroadcastChannel, isMainThread, workerData } from "node:worker_threads"

/**
 * What happens, and to whom: the main thread, or the data-plane thread of this lane. `spin`: it computes for ever.
 * `system`: it opens `path`, a pipe that nobody writes to, which is a system call that does not return. `throw`: it throws
 * what nothing catches.
 */
export interface Mishap {
  readonly to: "main" | number
  readonly kind: "spin" | "system" | "throw"
  readonly path?: string
}

const channel = new BroadcastChannel("mishaps")
channel.unref()
const lane = (workerData as { readonly options?: { readonly worker: number } } | null)?.options?.worker

function happen({ kind, path = "" }: Mishap): void {
  if (kind === "spin") for (;;);
  if (kind === "system") openSync(path, "r")
  else throw new Error("a mishap of the test")
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
