/** An address that takes no connection and refuses none, as a host behind a firewall that drops packets. */
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { Worker } from "node:worker_threads"
import type { TcpAddress } from "../../src/membership/snapshot.ts"
import { pause } from "./relay.ts"
import type { Cleaner } from "./processes.ts"

/** Listens, tells its port, and then stands still until it is woken: what the kernel has taken is not accepted. */
const listener = `
  const { parentPort, workerData } = require("node:worker_threads")
  const server = require("node:net").createServer()
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(workerData, 0, 0))
  })`

/**
 * Fills the queue of a listener that accepts no connection: from then on the kernel drops new ones without a word.
 * From `wake` on all are accepted that try again, as the system does after one second.
 */
export async function blackHole(cleaner: Cleaner): Promise<TcpAddress & { readonly wake: () => void }> {
  const bell = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(listener, { eval: true, workerData: bell })
  const fillers: Socket[] = []
  cleaner.after(async () => {
    for (const socket of fillers) socket.destroy()
    await worker.terminate()
  })
  const [port] = (await once(worker, "message")) as [number]
  const wake = (): void => {
    Atomics.store(bell, 0, 1)
    Atomics.notify(bell, 0)
  }
  const address = { host: "127.0.0.1", port, wake }
  for (let i = 0; i < 16; i++) {
    const socket = connect(port, "127.0.0.1")
    fillers.push(socket.on("error", () => {}))
    const taken = await Promise.race([once(socket, "connect").then(() => true), pause(100).then(() => false)])
    if (!taken) return address
  }
  throw new Error("the kernel takes connections although no program accepts them")
}
