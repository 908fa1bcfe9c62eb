/** Entry point of a data-plane thread: wires a `DataPlane` to the messages of the control plane. */
import { flushCompileCache } from "node:module"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import { LoadTable } from "../../placing/load-table.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { Counters } from "../../metrics/counters.ts"
import { httpDate, systemClock, systemTimers } from "../../system.ts"
import { DataPlane } from "../data-plane.ts"
import { Descriptors } from "./descriptors.ts"
import { addOwnPolicies } from "../own-policies.ts"
import type { FromWorker, ToWorker, WorkerBirth } from "./messages.ts"
import { Pulses } from "./pulses.ts"

const port = portOf(parentPort)

/** How often the control plane is told what was seen. */
const observedMs = 1_000

const { options, table, counters, pulses: shape, descriptors, snapshot, learned } = workerData as WorkerBirth
const pulses = new Pulses(shape)
const beat = (): void => pulses.beat(options.worker)
const tell = (message: FromWorker): void => port.postMessage(message)
/** When each of the program's own policies was last told of. */
const toldAt = new Map<string, number>()

const refused = await addOwnPolicies(options.ownPolicies ?? {}, tellOfPolicy)
// The modules were sound when the balancer started: a thread that follows a dead one may find others.
for (const [name, stack] of refused) tell({ kind: "bug", where: whereOf(name), stack })

const plane = new DataPlane({
  options,
  table: new LoadTable(options.resources, table),
  counters: new Counters(counters),
  descriptors: new Descriptors(descriptors, options.worker),
  clock: systemClock,
  // Threads must not draw the same chance; the same seed must give each its own again.
  rng: seeded(mix32(options.seed ^ mix32(options.worker + 1))),
  httpDate,
  timers: systemTimers,
  onConnectFailed: (id) => tell({ kind: "connect_failed", id }),
  onSweep: beat,
})

port.on("message", (message: ToWorker) => {
  // Many messages in a row leave no time for a sweep: a thread that works through them does not stand still.
  beat()
  guard(message.kind, () => take(message))
})

function take(message: ToWorker): void {
  switch (message.kind) {
    case "snapshot":
      observe()
      plane.apply(message.snapshot)
      tell({ kind: "applied", version: message.snapshot.version })
      break
    case "learned":
      plane.learn(message.learned.knowledge, message.learned.routes)
      break
    case "routing":
      plane.reroute(message.routing)
      break
    case "backend_tls":
      plane.renewBackendTls(message.tls)
      break
    case "tls":
      plane.renewTls(message.material)
      break
    case "listeners":
      plane.avoid(message.listeners)
      break
    case "drain":
      plane.drain()
      break
    case "stop":
      void stop()
      break
  }
}

/** A policy may fail with each request: it is told of once per second. */
function tellOfPolicy(name: string, fault: Error): void {
  const now = systemClock.now()
  if (now - (toldAt.get(name) ?? -Infinity) < observedMs) return
  toldAt.set(name, now)
  tell({ kind: "bug", where: whereOf(name), stack: fault.message })
}

function whereOf(policy: string): string {
  return `the policy "${policy}"`
}

/**
 * What the control plane sends goes to all threads alike, and to those that follow: were it the end of one, it would be
 * the end of all. So a thread that cannot take something tells it, and goes on with what it had.
 */
function guard(where: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    tell({ kind: "bug", where, stack })
  }
}

guard("learned", () => plane.learn(learned.knowledge, learned.routes))
guard("snapshot", () => plane.apply(snapshot))
const endObserving = systemTimers.every(observedMs, observe, { unref: true })
try {
  await plane.listen()
  tell({ kind: "listening" })
  // Compiled code is kept for the next start now, and not only at the end: a thread runs for long, and may be killed.
  flushCompileCache()
  tell({ kind: "applied", version: snapshot.version })
} catch (error) {
  const { code = "unknown", message, port: wanted } = error as NodeJS.ErrnoException & { port?: number }
  tell({ kind: "listen_failed", code, message, port: wanted })
  port.close()
}

function portOf(parent: MessagePort | null): MessagePort {
  if (parent === null) throw new Error("a data-plane thread cannot run by itself")
  return parent
}

function observe(): void {
  const observed = plane.takeObserved()
  if (observed !== undefined) tell({ kind: "observed", observed })
}

async function stop(): Promise<void> {
  await plane.stop()
  endObserving()
  observe()
  tell({ kind: "stopped" })
  port.close()
}
