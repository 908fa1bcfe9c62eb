/**
 * Loaded into the balancer's process before the program, in every thread: collects garbage when the soak asks for it,
 * so that what is measured is what is held. V8 leaves garbage lying for minutes when no code allocates.
 */
import { BroadcastChannel, isMainThread } from "node:worker_threads"

const channel = new BroadcastChannel("soak")
channel.onmessage = collect
channel.unref()

if (isMainThread && process.send !== undefined) {
  process.on("message", () => {
    channel.postMessage("collect")
    collect()
  })
  process.channel!.unref()
}

function collect(): void {
  // The last resort also gives the pages back to the system.
  globalThis.gc!({ type: "major", execution: "sync", flavor: "last-resort" })
}
