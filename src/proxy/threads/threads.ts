/** The data-plane threads, as the control plane holds them: started, told of changes, watched, replaced. */
import { Worker } from "node:worker_threads"
import type { LoadTable } from "../../placing/load-table.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import type { BackendId } from "../../core/backend.ts"
import type { EventLoop } from "../../system.ts"
import type { Clock, Millis } from "../../core/clock.ts"
import type { Endpoint } from "../../core/endpoint.ts"
import type { Counters } from "../../metrics/counters.ts"
import type { Observed } from "../data-plane.ts"
import { Descriptors } from "./descriptors.ts"
import { leaveGoneFolder } from "../../net/folder.ts"
import type { FromWorker, Learned, ToWorker, WorkerBirth } from "./messages.ts"
import type { BackendOptions } from "../../config/config.ts"
import type { DataPlaneOptions, RoutingOptions, TlsMaterial } from "../options.ts"
import { ListenError, takePorts } from "../../net/ports.ts"
import { lookMs, Pulses, Stillness } from "./pulses.ts"

/** A thread that dies again and again is restarted no faster than this. */
const restartMs = 500
/** How long after `timeouts.drain` a thread that has not stopped is ended. */
const stopGraceMs = 2_000
/** How long a thread may take to start before it counts as one that stands still. */
const startMsMax = 60_000
/** A thread that has shown no pulse for this long may hang: connections would wait in vain on its listener. */
const suspectMs = 8 * lookMs
/** A thread that has been ended and is still there after this hangs in the system, where nothing can end it. */
const endMsMax = 2_000

export interface ThreadsOptions {
  readonly workers: number
  /** The limit of each thread's heap. One that reaches it dies, and is replaced. */
  readonly heapMiB: number
  /** The same for all but for `worker`, which is set here. */
  readonly options: DataPlaneOptions
  /** With at least one lane for each thread; more let another take the place of one that cannot be ended. */
  readonly table: LoadTable
  readonly counters: Counters
  readonly snapshot: Snapshot
  readonly learned: Learned
  readonly clock: Clock
  readonly timers: EventLoop
  /** Connections of all threads, of clients and to backends, and how many of them let no client in any more. */
  readonly connectionsMax: { readonly all: number; readonly clients: number } | undefined
  /** How long a thread may stand still before it is ended and replaced. */
  readonly stillMsMax: Millis
  onConnectFailed(id: BackendId): void
  /** What a thread has seen lately. */
  onObserved(observed: Observed): void
  /** All threads have taken the snapshot of this version, or a later one. */
  onApplied(version: number): void
  /** A thread has died and is replaced. `error` is what it threw, with its stack, or what else ended it. */
  onDeath(lane: number, error: unknown): void
  /** A thread could not take what it was sent, and goes on with what it had. `stack` is that of what was thrown. */
  onBug(lane: number, where: string, stack: string): void
  /** A thread has stood still for `stillMs` and is ended and replaced. */
  onStill(lane: number, stillMs: Millis): void
  /** A thread that was ended hangs in the system: it stays until the process ends. Another has its place. */
  onStuck(lane: number): void
}

/** One thread. Its lane is its row in the load table and the counters, its own from its start to its exit. */
class Thread {
  readonly worker: Worker
  readonly lane: number
  readonly stillness: Stillness
  /** The latest snapshot that it has taken. */
  applied = -1
  isListening = false
  /** It stood still for too long and was ended. */
  isStill = false
  /** It was ended and does not exit. */
  isStuck = false
  /** It was asked to end, could not listen, or has a successor already: its exit brings no other. */
  isDone = false
  /** Resolves when a stop has not to wait for it any more. */
  readonly over: Promise<void>
  end: () => void = () => {}

  /** It has shown no pulse for a while. */
  get isSuspect(): boolean {
    return this.stillness.stillMs >= suspectMs
  }

  constructor(worker: Worker, lane: number, stillness: Stillness) {
    this.worker = worker
    this.lane = lane
    this.stillness = stillness
    this.over = new Promise((resolve) => (this.end = resolve))
  }
}

/** How many ports of the system's choice are tried, where another program takes them. */
const portTriesMax = 5

export class Threads {
  readonly #settings: ThreadsOptions
  /** By lane, from its start to its exit. */
  readonly #threads: (Thread | undefined)[]
  readonly #pulses: Pulses
  readonly #descriptors: Descriptors
  readonly #endLooking: () => void
  readonly #startedAt: Millis
  #options: DataPlaneOptions
  #snapshot: Snapshot
  #learned: Learned
  #isDraining = false
  #stopped: Promise<void> | undefined

  private constructor(settings: ThreadsOptions, options: DataPlaneOptions) {
    const lanes = settings.table.shape.workers
    this.#settings = settings
    this.#options = options
    this.#snapshot = settings.snapshot
    this.#learned = settings.learned
    this.#threads = Array.from({ length: lanes }, () => undefined)
    this.#pulses = Pulses.create(lanes)
    this.#descriptors = Descriptors.create(lanes)
    const { connectionsMax: most } = settings
    if (most !== undefined) this.#descriptors.limit(most.all, most.clients)
    this.#startedAt = settings.clock.now()
    this.#endLooking = settings.timers.every(lookMs, () => this.#look(), { unref: true })
  }

  /** Starts all threads; resolves when each of them listens. Rejects with `ListenError` when one cannot. */
  static async start(settings: ThreadsOptions): Promise<Threads> {
    for (let tries = 1; ; tries++) {
      try {
        return await Threads.#startOnce(settings)
      } catch (error) {
        // A port that the system chose may be taken by another program before the threads have it: there are others.
        if (tries === portTriesMax || !isTakenMeanwhile(error, settings.options)) throw error
      }
    }
  }

  static async #startOnce(settings: ThreadsOptions): Promise<Threads> {
    const { options } = settings
    const { port, tlsPort, release } = await takePorts(options.listen, options.tls?.listen)
    const threads = new Threads(settings, {
      ...options,
      listen: { ...options.listen, port },
      tls: options.tls && { ...options.tls, listen: { ...options.tls.listen, port: tlsPort! } },
    })
    try {
      await Promise.all(Array.from({ length: settings.workers }, (_, lane) => threads.#spawn(lane)))
    } catch (error) {
      await threads.stop()
      throw error
    } finally {
      release()
    }
    return threads
  }

  get port(): number {
    return this.#options.listen.port
  }

  /** Where TLS is spoken; undefined without such a listener. */
  get tlsPort(): number | undefined {
    return this.#options.tls?.listen.port
  }

  /** Threads that are alive. */
  get count(): number {
    return this.#living().length
  }

  /** One at least listens, and none that does seems to stand still. */
  get isReady(): boolean {
    const listening = this.#threads.filter((thread) => thread?.isListening === true) as Thread[]
    return listening.length > 0 && listening.every((thread) => !thread.isStill && !thread.isSuspect)
  }

  /**
   * A thread hangs in the system, or may: nothing has been seen of it for a while. It cannot be ended, and
   * `process.exit` would wait for it.
   */
  get hasStuck(): boolean {
    return this.#threads.some((thread) => thread !== undefined && (thread.isStuck || thread.isSuspect))
  }

  /** The latest snapshot version that every living thread has taken. */
  get appliedByAll(): number {
    let least = this.#snapshot.version
    for (const { applied } of this.#living()) least = Math.min(least, applied)
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

  /** What connections to backends are made with, for the threads that run and for those that follow. */
  renewBackendTls(tls: BackendOptions["tls"]): void {
    this.#options = { ...this.#options, upstream: { ...this.#options.upstream, tls } }
    this.#tellAll({ kind: "backend_tls", tls })
  }

  /** Where the balancer listens, for the threads that run and for those that follow: nothing is dialled there. */
  avoid(ownListeners: readonly Endpoint[]): void {
    this.#options = { ...this.#options, ownListeners }
    this.#tellAll({ kind: "listeners", listeners: ownListeners })
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

  /** A stop will follow: every response says that its connection closes, and all else goes on until then. */
  drain(): void {
    this.#isDraining = true
    this.#tellAll({ kind: "drain" })
  }

  /**
   * Lets every thread finish what it has; ends those that take longer than they may. Resolves when all have ended, but
   * for one that hangs in the system (`hasStuck`). Every call gets the same.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#tellAll({ kind: "stop" })
    const forgo = this.#settings.timers.set(this.#options.timeouts.drainMs + stopGraceMs, () => {
      for (const thread of this.#threads) if (thread !== undefined) this.#end(thread)
    })
    await Promise.all(this.#threads.flatMap((thread) => (thread === undefined ? [] : [thread.over])))
    forgo()
    this.#endLooking()
  }

  /** Not those that were ended and have still to exit. */
  #living(): Thread[] {
    return this.#threads.filter((thread) => thread !== undefined && !thread.isStill) as Thread[]
  }

  /** One that stands still hears nothing, and would keep all that it is sent. */
  #tellAll(message: ToWorker): void {
    for (const { worker } of this.#living()) worker.postMessage(message)
  }

  async #spawn(lane: number): Promise<void> {
    const { table, counters, clock } = this.#settings
    const { timeouts } = this.#options
    // Counted from the start of the first: a thread that follows a dead one does not wait anew.
    const firstMemberMs = Math.max(0, timeouts.firstMemberMs - (clock.now() - this.#startedAt))
    const birth: WorkerBirth = {
      options: { ...this.#options, worker: lane, timeouts: { ...timeouts, firstMemberMs } },
      table: table.shape,
      counters: counters.shape,
      pulses: this.#pulses.shape,
      descriptors: this.#descriptors.shape,
      snapshot: this.#snapshot,
      learned: this.#learned,
    }
    // The published package holds JavaScript; the checkout runs its TypeScript.
    const entry = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url)
    leaveGoneFolder()
    const worker = new Worker(entry, {
      workerData: birth,
      name: `linebacker-data-${lane}`,
      ...flagsOfThreads(),
      resourceLimits: { maxOldGenerationSizeMb: this.#settings.heapMiB },
    })
    const thread = new Thread(worker, lane, new Stillness(this.#pulses.read(lane), clock.now()))
    this.#threads[lane] = thread
    if (this.#isDraining) worker.postMessage({ kind: "drain" } satisfies ToWorker)
    let reason: unknown = "it ended"
    worker.on("error", (error: unknown) => (reason = error))
    return new Promise((resolve, reject) => {
      worker.on("message", (message: FromWorker) => {
        if (message.kind === "listening") resolve()
        if (message.kind === "listen_failed") {
          const listener = message.port === this.#options.tls?.listen.port ? "tls" : "traffic"
          reject(new ListenError(message.code, message.message, listener))
        }
        this.#onMessage(thread, message)
      })
      worker.on("exit", () => {
        this.#onExit(thread, reason)
        reject(new ListenError("worker_died", messageOf(reason), "traffic"))
      })
    })
  }

  #onMessage(thread: Thread, message: FromWorker): void {
    switch (message.kind) {
      case "listening":
        thread.isListening = true
        break
      case "listen_failed":
      case "stopped":
        thread.isDone = true
        break
      case "applied":
        thread.applied = message.version
        this.#settings.onApplied(this.appliedByAll)
        break
      case "observed":
        this.#settings.onObserved(message.observed)
        break
      case "bug":
        this.#settings.onBug(thread.lane, message.where, message.stack)
        break
      case "connect_failed":
        this.#settings.onConnectFailed(message.id)
        break
    }
  }

  /** Looks whether each thread still has a pulse, also while they stop. */
  #look(): void {
    const { clock, stillMsMax } = this.#settings
    const now = clock.now()
    for (const thread of this.#threads) {
      if (thread === undefined || thread.isStill) continue
      const stillMs = thread.stillness.look(this.#pulses.read(thread.lane), now)
      if (stillMs < (thread.isListening ? stillMsMax : Math.max(stillMsMax, startMsMax))) continue
      this.#end(thread)
      this.#settings.onStill(thread.lane, stillMs)
    }
  }

  /** Ends it whatever it does. What a system call holds cannot be ended: a stop does not wait for that. */
  #end(thread: Thread): void {
    if (thread.isStill) return
    thread.isStill = true
    void thread.worker.terminate()
    const onStuck = (): void => {
      if (this.#threads[thread.lane] !== thread) return
      thread.isStuck = true
      if (!thread.isDone) this.#respawn()
      thread.isDone = true
      thread.end()
      this.#giveBack(thread)
      this.#settings.onStuck(thread.lane)
    }
    this.#settings.timers.set(endMsMax, onStuck, { unref: true })
  }

  /** What it held is given back, and another takes its place. The others never notice. */
  #onExit(thread: Thread, reason: unknown): void {
    this.#threads[thread.lane] = undefined
    const isMissed = !thread.isDone && this.#stopped === undefined
    if (isMissed) this.#respawn()
    thread.end()
    this.#descriptors.giveAll(thread.lane)
    this.#giveBack(thread)
    if (isMissed && !thread.isStill) this.#settings.onDeath(thread.lane, reason)
  }

  /**
   * No other thread has the lane before this one has exited, so that this is never what a successor holds. It is done
   * again at the exit of a thread that was stuck, which sets right what that may have done meanwhile.
   */
  #giveBack({ lane }: Thread): void {
    this.#settings.table.releaseAll(lane)
    this.#settings.counters.closeAll(lane)
    this.#settings.onApplied(this.appliedByAll)
  }

  #respawn(): void {
    this.#settings.timers.set(restartMs, () => {
      if (this.#stopped !== undefined) return
      const lane = this.#threads.indexOf(undefined)
      if (lane === -1) {
        this.#respawn()
        return
      }
      // A thread that dies again comes back through `#onExit`; one that cannot start or listen is tried again here.
      this.#spawn(lane).catch((error: unknown) => {
        if (error instanceof ListenError && error.code === "worker_died") return
        this.#respawn()
        this.#settings.onDeath(lane, error)
      })
    })
  }
}

/**
 * A thread inherits the flags of its process, and cannot start from a file with `--input-type`, which a program on the
 * command line has (`node --input-type=module --eval …`): it has none then.
 */
function flagsOfThreads(): { readonly execArgv?: string[] } {
  return process.execArgv.some((flag) => flag.startsWith("--input-type")) ? { execArgv: [] } : {}
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

/** Whether a listener that asked for any free port lost it before it listened. */
function isTakenMeanwhile(error: unknown, { listen, tls }: DataPlaneOptions): boolean {
  if (!(error instanceof ListenError) || error.code !== "EADDRINUSE") return false
  return (error.listener === "tls" ? tls?.listen : listen)?.port === 0
}
