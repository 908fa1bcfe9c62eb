/** The data-plane threads, as the control plane holds them: started, told of changes, replaced when one dies. */
import { Worker } from "node:worker_threads"
import type { LoadTable } from "../cluster/load-table.ts"
import type { Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Counters } from "../metrics/counters.ts"
import type { Observed } from "./data-plane.ts"
import type { FromWorker, Learned, ToWorker, WorkerBirth } from "./messages.ts"
import type { DataPlaneOptions, RoutingOptions, TlsMaterial } from "./options.ts"
import { ListenError, takePorts } from "./ports.ts"

/** A thread that dies again and again is restarted no faster than this. */
const restartMs = 500
/** How long after `timeouts.drain` a thread that has not stopped is ended. */
const stopGraceMs = 2_000

export interface ThreadsOptions {
  readonly workers: number
  /** The same for all but for `worker`, which is set here. */
  readonly options: DataPlaneOptions
  readonly table: LoadTable
  readonly counters: Counters
  readonly snapshot: Snapshot
  readonly learned: Learned
  onConnectFailed(id: BackendId): void
  /** What a thread has seen lately. */
  onObserved(observed: Observed): void
  /** All threads have taken the snapshot of this version, or a later one. */
  onApplied(version: number): void
  /** For a person: a thread has died, with why. */
  onDeath(worker: number, reason: string): void
}

interface Thread {
  readonly worker: Worker
  applied: number
  stopped: boolean
}

export class Threads {
  readonly #settings: ThreadsOptions
  readonly #threads: (Thread | undefined)[]
  #options: DataPlaneOptions
  #snapshot: Snapshot
  #learned: Learned
  #stopping = false

  private constructor(settings: ThreadsOptions, options: DataPlaneOptions) {
    this.#settings = settings
    this.#options = options
    this.#snapshot = settings.snapshot
    this.#learned = settings.learned
    this.#threads = Array.from({ length: settings.workers }, () => undefined)
  }

  /** Starts all threads; resolves when each of them listens. Rejects with `ListenError` when one cannot. */
  static async start(settings: ThreadsOptions): Promise<Threads> {
    const { options } = settings
    const { port, tlsPort, release } = await takePorts(options)
    const tls = options.tls && { ...options.tls, port: tlsPort ?? options.tls.port }
    const threads = new Threads(settings, { ...options, port, tls })
    try {
      await Promise.all(threads.#threads.map((_, index) => threads.#spawn(index)))
    } catch (error) {
      await threads.stop()
      throw error
    } finally {
      release()
    }
    return threads
  }

  get port(): number {
    return this.#options.port
  }

  /** Where TLS is spoken; undefined without such a listener. */
  get tlsPort(): number | undefined {
    return this.#options.tls?.port
  }

  /** Threads that are alive. */
  get count(): number {
    return this.#threads.filter((thread) => thread !== undefined).length
  }

  /** The latest snapshot version that every living thread has taken. */
  get appliedByAll(): number {
    let least = this.#snapshot.version
    for (const thread of this.#threads) if (thread !== undefined) least = Math.min(least, thread.applied)
    return least
  }

  apply(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#tellAll({ kind: "snapshot", snapshot })
  }

  /** New certificates or ticket keys, for the threads that run and for those that follow. */
  renewTls(material: TlsMaterial): void {
    const { tls } = this.#options
    if (tls === undefined) return
    this.#options = { ...this.#options, tls: { ...tls, material } }
    this.#tellAll({ kind: "tls", material })
  }

  /** Other policies, for the threads that run and for those that follow. */
  reroute(routing: RoutingOptions): void {
    this.#options = { ...this.#options, routing }
    this.#tellAll({ kind: "routing", routing })
  }

  /** What has been learned, which a thread that follows a dead one is born with. */
  learn(learned: Learned): void {
    this.#learned = learned
    this.#tellAll({ kind: "learned", learned })
  }

  /** Lets every thread finish what it has; ends those that take longer than they may. */
  async stop(): Promise<void> {
    this.#stopping = true
    const exits = this.#threads.flatMap((thread) =>
      thread === undefined
        ? []
        : [new Promise<void>((resolve) => thread.worker.once("exit", () => resolve()))],
    )
    this.#tellAll({ kind: "stop" })
    const late = setTimeout(() => {
      for (const thread of this.#threads) void thread?.worker.terminate()
    }, this.#options.timeouts.drainMs + stopGraceMs)
    await Promise.all(exits)
    clearTimeout(late)
  }

  #tellAll(message: ToWorker): void {
    for (const thread of this.#threads) thread?.worker.postMessage(message)
  }

  #spawn(index: number): Promise<void> {
    const { table, counters } = this.#settings
    const birth: WorkerBirth = {
      options: { ...this.#options, worker: index },
      table: table.shape,
      counters: counters.shape,
      snapshot: this.#snapshot,
      learned: this.#learned,
    }
    // The published package holds JavaScript; the checkout runs its TypeScript.
    const entry = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
    const worker = new Worker(entry, { workerData: birth, name: `linebacker-data-${index}` })
    const thread: Thread = { worker, applied: -1, stopped: false }
    this.#threads[index] = thread
    let reason = "it ended"
    worker.on("error", (error: unknown) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    })
    return new Promise((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        switch (message.kind) {
          case "listening":
            resolve()
            break
          case "listen_failed":
            thread.stopped = true
            reject(
              new ListenError(
                message.code,
                message.message,
                message.port === this.#options.tls?.port ? "tls" : "traffic",
              ),
            )
            break
          case "applied":
            thread.applied = message.version
            this.#settings.onApplied(this.appliedByAll)
            break
          case "observed":
            this.#settings.onObserved(message.observed)
            break
          case "connect_failed":
            this.#settings.onConnectFailed(message.id)
            break
          case "stopped":
            thread.stopped = true
            break
        }
      })
      worker.on("exit", () => {
        this.#onExit(index, thread, reason)
        reject(new ListenError("worker_died", reason, "traffic"))
      })
    })
  }

  /** What the dead thread held is given back, and another takes its place. The others never notice. */
  #onExit(index: number, thread: Thread, reason: string): void {
    if (this.#threads[index] === thread) this.#threads[index] = undefined
    this.#settings.table.releaseAll(index)
    this.#settings.counters.closeAll(index)
    this.#settings.onApplied(this.appliedByAll)
    if (thread.stopped || this.#stopping) return
    this.#settings.onDeath(index, reason)
    this.#respawn(index)
  }

  #respawn(index: number): void {
    setTimeout(() => {
      if (this.#stopping) return
      // A thread that dies again comes back through `#onExit`; one that cannot listen is tried again here.
      this.#spawn(index).catch((error: unknown) => {
        if (error instanceof ListenError && error.code !== "worker_died") this.#respawn(index)
      })
    }, restartMs)
  }
}
