/** Entry point of a data-plane thread: wires a `DataPlane` to the messages of the control plane. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import { LoadTable } from "../cluster/load-table.ts"
import { mix32, seeded } from "../core/rng.ts"
import { Counters } from "../metrics/counters.ts"
import { systemClock, wallClock } from "../system.ts"
import { DataPlane } from "./data-plane.ts"
import type { FromWorker, ToWorker, WorkerBirth } from "./messages.ts"

const port = parentPort
if (port === null) throw new Error("a data-plane thread cannot run by itself")

const { options, table, counters, snapshot } = workerData as WorkerBirth
const tell = (message: FromWorker): void => port.postMessage(message)

const plane = new DataPlane({
  options,
  table: new LoadTable(options.resources, table),
  counters: new Counters(counters),
  clock: systemClock,
  // Threads must not draw the same chance; the same seed must give each its own again.
  rng: seeded(mix32(options.seed ^ mix32(options.worker + 1))),
  wallClock,
  onConnectFailed: (id) => tell({ kind: "connect_failed", id }),
})

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "snapshot":
      plane.apply(message.snapshot)
      tell({ kind: "applied", version: message.snapshot.version })
      break
    case "policy":
      plane.setPolicy(message.name)
      break
    case "tls":
      plane.renewTls(message.material)
      break
    case "stop":
      void stop(port)
      break
  }
})

plane.apply(snapshot)
try {
  await plane.listen()
  tell({ kind: "listening" })
  tell({ kind: "applied", version: snapshot.version })
} catch (error) {
  const { code = "unknown", message, port: wanted } = error as NodeJS.ErrnoException & { port?: number }
  tell({ kind: "listen_failed", code, message, port: wanted })
  port.close()
}

async function stop(messages: MessagePort): Promise<void> {
  await plane.stop()
  tell({ kind: "stopped" })
  messages.close()
}
