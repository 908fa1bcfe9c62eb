/**
 * The composition root: puts the rooms together into a running balancer. The main thread is the control plane
 * (registration, leases, checks, page); the data-plane threads relay and never wait for it.
 *
 * ```
 *  start: certificates ─▶ traffic ─▶ registration ─▶ admin ─▶ sources of backends ─▶ ticks
 *  stop:  not ready ─▶ ticks, certificates, checks ─▶ registration ─▶ traffic (drains) ─▶ admin
 * ```
 */
import { availableParallelism } from "node:os"
import { readTextFile } from "./config/config-file.ts"
import type { Config, TlsConfig } from "./config/config.ts"
import { adminLimitsDefault, startAdmin } from "./control/admin/admin-api.ts"
import type { ApiListener } from "./control/api/kernel.ts"
import { Bugs } from "./control/bugs.ts"
import {
  budgetOf,
  type DescriptorBudget,
  descriptorLimit,
  descriptorsUsed,
  shortage,
} from "./control/descriptor-budget.ts"
import { type BalancerEventName, type BalancerEventOf, Events, membershipEvents } from "./control/events.ts"
import { Learning, learnMs } from "./control/learning.ts"
import { Members, tickMs } from "./control/members.ts"
import { type PolicyChangeError, PolicyDesk, policyViews } from "./control/policy-desk.ts"
import type { CurrentPolicy, PolicyChange } from "./control/policy-view.ts"
import { unreadiness } from "./control/readiness.ts"
import { registrationLimitsDefault, startRegistration } from "./control/registration/registration-api.ts"
import { sourcesOf } from "./control/sources/sources-of.ts"
import { Sources } from "./control/sources/sources.ts"
import { StateBuilder } from "./control/state-builder.ts"
import type { StateView } from "./control/state-view.ts"
import { BackendTlsKeeper } from "./control/tls/backend-tls-keeper.ts"
import { type CertificatesRead, inAll } from "./control/tls/certificate-store.ts"
import { ticketKeyBytes } from "./control/tls/ticket-keys.ts"
import { TlsKeeper } from "./control/tls/tls-keeper.ts"
import type { BackendId } from "./core/backend.ts"
import { type Endpoint, formatEndpoint } from "./core/endpoint.ts"
import { amountsOf, type NamedAmounts } from "./core/resources.ts"
import { ok, type Result } from "./core/result.ts"
import { loadReport } from "./learning/load-report.ts"
import { MixPlanner } from "./learning/planner/mix-planner.ts"
import { memoryLine, memoryOf, threadHeapMiB } from "./memory.ts"
import { Counters } from "./metrics/counters.ts"
import { fileStamp } from "./net/file-stamp.ts"
import { ListenError } from "./net/ports.ts"
import { LoadTable, SlotAllocator } from "./placing/load-table.ts"
import { Dialer } from "./proxy/backends/dial.ts"
import { OwnListeners } from "./proxy/backends/own-listeners.ts"
import type { OwnPolicies } from "./proxy/own-policies.ts"
import { type DataPlaneOptions, dataPlaneSettings } from "./proxy/options.ts"
import { Threads, type ThreadsOptions } from "./proxy/threads/threads.ts"
import {
  isoTime,
  secretBytes,
  systemClock,
  systemRng,
  systemTimers,
  type Timers,
  wallClock,
} from "./system.ts"
import { packageVersion } from "./version.ts"

/** How often rates are sampled; a tick that comes a little early counts. */
const sampleMs = 900

/** Something that happened: one line for a person. */
export type Log = (line: string) => void

/** Where a balancer really listens, with the ports that the system chose for port 0. */
export interface BalancerListeners {
  /** Where clients are served. */
  readonly traffic: Endpoint
  /** Where they are served over TLS; undefined when that is nowhere. */
  readonly tls: Endpoint | undefined
  /** Where backends announce themselves. */
  readonly registration: Endpoint
  /** The page and the admin API. */
  readonly admin: Endpoint
}

/** A balancer that runs. */
export interface Balancer extends AsyncDisposable {
  /** Where it really listens, with the ports that the system chose for port 0. */
  readonly listeners: BalancerListeners
  /** Of simulated demand: given, or drawn at the start. The same seed gives the same demands. */
  readonly seed: number
  /** Everything that is known now, as `GET /api/v1/state` shows it. */
  state(): StateView
  /**
   * Calls `listener` with each event of this kind from now on, or with every event for the name `event`. What it
   * throws goes to the log and nowhere else.
   *
   * @returns what ends that.
   */
  on<Name extends BalancerEventName>(name: Name, listener: (event: BalancerEventOf<Name>) => void): () => void
  /** Another policy for the requests that are placed from now on; nothing that runs or waits is lost. */
  changePolicy(change: PolicyChange): Result<CurrentPolicy, PolicyChangeError>
  /** Reads the certificate files again, as it does by itself when they change; undefined without any. */
  reloadCertificates(): CertificatesRead | undefined
  /** Something was thrown that nothing caught: it is logged and counted as a bug, and the balancer goes on. */
  onUncaught(error: unknown): void
  /**
   * Fails `/readyz` for `timeouts.unready`, then accepts no more, lets running exchanges finish for at most
   * `timeouts.drain`, and closes everything. Every call resolves when that is done.
   */
  close(): Promise<void>
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
  /**
   * A thread hangs in the system, or may, where nothing can end it: neither `close` nor `process.exit` ends the
   * process.
   */
  readonly hasStuckThread: boolean
}

/** A listener that could not be opened: which, where, and why. Nothing of the balancer is left open. */
export class StartError extends Error {
  /** Which of the balancer's listeners it is. */
  readonly listener: keyof BalancerListeners
  /** Where it should have listened. */
  readonly endpoint: Endpoint
  /** The system's code: `EADDRINUSE`, `EACCES`, … */
  readonly code: string

  /** @param cause what the system said */
  constructor(listener: StartError["listener"], endpoint: Endpoint, cause: unknown) {
    const { code = "unknown", message } = cause as NodeJS.ErrnoException
    super(`the ${listener} listener cannot listen on ${formatEndpoint(endpoint)}: ${message}`, { cause })
    this.name = "StartError"
    this.listener = listener
    this.endpoint = endpoint
    this.code = code
  }
}

/** What a balancer is given of the program that it runs in. */
export interface Surroundings {
  /** Must not wait. What it throws is dropped: a line costs no traffic. */
  readonly log?: Log | undefined
  /** How many lines the log could not write, for the state. */
  readonly linesLost?: (() => number) | undefined
  /** The modules of policies that are in the table of this thread already, for the other threads. */
  readonly ownPolicies?: OwnPolicies | undefined
}

/** Starts a balancer; resolves when all its listeners take connections. Rejects with `StartError`. */
export async function startBalancer(config: Config, surroundings: Surroundings = {}): Promise<Balancer> {
  const balancer = new RunningBalancer(config, surroundings)
  try {
    await balancer.start()
  } catch (error) {
    await balancer.close()
    throw error
  }
  return balancer
}

class RunningBalancer implements Balancer {
  readonly seed: number
  readonly #config: Config
  readonly #ownPolicies: OwnPolicies
  readonly #log: Log
  readonly #events: Events
  readonly #bugs: Bugs
  /** Those of all parts: what they call is behind a guard. */
  readonly #timers: Timers
  readonly #workers: number
  readonly #budget: DescriptorBudget | undefined
  readonly #table: LoadTable
  readonly #counters: Counters
  readonly #slots: SlotAllocator
  readonly #ownListeners: OwnListeners = new OwnListeners()
  /** Of all that is asked of backends beside traffic. */
  readonly #dialer: Dialer
  readonly #desk: PolicyDesk
  readonly #members: Members
  readonly #sources: Sources
  readonly #learning: Learning
  readonly #builder: StateBuilder
  #threads: Threads | undefined
  #tls: TlsKeeper | undefined
  #backendTls: BackendTlsKeeper | undefined
  #registration: ApiListener | undefined
  #admin: ApiListener | undefined
  #endTicks: (() => void) | undefined
  #sampledAt = 0
  #learnedAt = 0
  #threadsDied = 0
  #threadsStill = 0
  #isStarted = false
  #isStopping = false
  #closed: Promise<void> | undefined

  constructor(config: Config, { log = () => {}, linesLost = () => 0, ownPolicies = {} }: Surroundings) {
    const { resources, registration } = config
    this.#config = config
    this.#ownPolicies = ownPolicies
    this.#log = harmless(log)
    this.#events = new Events((error, { kind }) =>
      this.#log(`what listens to ${kind} threw; the balancer goes on: ${String(error)}`),
    )
    this.#bugs = new Bugs(this.#log, systemClock, (where, error) =>
      this.#events.emit({ kind: "failure", where, error }),
    )
    this.#timers = this.#bugs.timers("what a timer of the control plane called", systemTimers)
    this.#workers = config.workers === "auto" ? availableParallelism() : config.workers
    this.seed = config.seed ?? systemRng().below(2 ** 31)

    // As many rows again as members: one that has left keeps its row until its last attempt has settled.
    const rows = registration.backendsMax * 2
    // Twice the lanes: a thread that cannot be ended keeps its own, and another takes its place.
    const lanes = this.#workers * 2
    this.#budget = descriptorBudget(config, this.#workers)
    this.#table = LoadTable.create(resources, rows, lanes)
    this.#counters = Counters.create(rows, lanes, resources.length)
    this.#slots = new SlotAllocator(this.#table, (slot) => this.#counters.clear(slot))

    const ownListeners = this.#ownListeners
    this.#dialer = new Dialer(config.upstream, systemClock, {
      log: this.#log,
      timers: this.#timers,
      ownListeners,
    })
    this.#desk = new PolicyDesk(config)
    this.#members = this.#gatherMembers()
    this.#sources = this.#openSources()
    this.#learning = this.#makeLearning()
    this.#builder = this.#makeBuilder(linesLost)
  }

  /** In this order: what comes later is told of what came before. */
  async start(): Promise<void> {
    const short = shortage(this.#budget)
    if (short !== undefined) this.#log(short)
    await this.#openTraffic()
    await this.#openRegistration()
    await this.#openAdmin()
    // Now that all listeners are known, which none of them may be.
    this.#sources.start()
    this.#endTicks = systemTimers.every(tickMs, () => this.#onTick())
    this.#isStarted = true
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The page stays to the last, so that a person can watch what still runs. */
  async #close(): Promise<void> {
    await this.#becomeUnready()
    this.#endTicks?.()
    for (const part of [this.#sources, this.#members, this.#tls, this.#backendTls, this.#dialer]) {
      this.#bugs.guard("the stop", () => part?.close())
    }
    await this.#registration?.close()
    await this.#threads?.stop()
    await this.#admin?.close()
    if (this.#isStarted) this.#events.emit({ kind: "stopped" })
  }

  /** What sends clients here has time to see that it should not any more. */
  async #becomeUnready(): Promise<void> {
    // What is not ready has nothing more to say; what has not started has nothing to send clients to.
    const wasReady = this.#isStarted && this.#unready() === undefined
    this.#isStopping = true
    if (this.#isStarted) this.#events.emit({ kind: "stopping" })
    this.#threads?.drain()
    if (!wasReady) return
    await new Promise<void>((resolve) => void this.#timers.set(this.#config.timeouts.unreadyMs, resolve))
  }

  async #openTraffic(): Promise<void> {
    const { listen, tls } = this.#config
    const memory = memoryOf()
    this.#log(memoryLine(memory, this.#workers))
    this.#tls = tls && this.#keepTls(tls)
    const options = this.#dataPlaneOptions()
    this.#threads = await opening("traffic", listen, tls?.listen, () =>
      Threads.start({
        workers: this.#workers,
        heapMiB: threadHeapMiB(memory, this.#workers),
        options,
        table: this.#table,
        counters: this.#counters,
        snapshot: this.#members.snapshot,
        learned: this.#learning.learned,
        clock: systemClock,
        timers: systemTimers,
        connectionsMax: this.#budget && { all: this.#budget.connections, clients: this.#budget.clients },
        stillMsMax: this.#config.timeouts.threadStillMs,
        ...this.#threadEvents(),
      }),
    )
    // Made behind the threads, which it tells of changes; one between the reading of the files and now is found here.
    this.#backendTls = this.#keepBackendTls(this.#config.upstream)
    this.#backendTls?.reload()
    // A certificate may have been renewed while the threads were starting.
    const material = this.#tls?.options.material
    if (material !== undefined && material !== options.tls?.material) this.#threads.renewTls(material)
  }

  async #openRegistration(): Promise<void> {
    const { registration } = this.#config
    this.#registration = await opening("registration", registration.listen, undefined, () =>
      startRegistration({
        ...registration.listen,
        ...registration,
        registry: this.#members.registry,
        clock: systemClock,
        isOwnListener: (host, port) => this.#ownListeners.has(host, port),
        onChange: () => this.#members.changed(),
        onUtilization: (id, utilization) =>
          this.#bugs.guard("the learner", () => this.#onUtilization(id, utilization)),
        onBug: (error) => this.#bugs.report("the registration API", error),
        limits: {
          connectionsMax: atMost(registrationLimitsDefault.connectionsMax, this.#budget?.registration),
        },
      }),
    )
    // From now on backends may announce themselves; where the page listens follows.
    this.#avoidOwnListeners()
  }

  async #openAdmin(): Promise<void> {
    const { admin, resources } = this.#config
    this.#admin = await opening("admin", admin.listen, undefined, () =>
      startAdmin({
        ...admin.listen,
        ...admin,
        state: () => this.state(),
        policies: policyViews(resources),
        changePolicy: (change) => this.changePolicy(change),
        unready: () => this.#unready(),
        timers: this.#timers,
        onBug: (error) => this.#bugs.report("the admin API", error),
        limits: { connectionsMax: atMost(adminLimitsDefault.connectionsMax, this.#budget?.admin) },
      }),
    )
    this.#avoidOwnListeners()
  }

  get listeners(): BalancerListeners {
    const { listen, tls, registration, admin } = this.#config
    return {
      traffic: { host: listen.host, port: this.#threads?.port ?? listen.port },
      tls: tls && { host: tls.listen.host, port: this.#threads?.tlsPort ?? tls.listen.port },
      registration: this.#registration?.address ?? registration.listen,
      admin: this.#admin?.address ?? admin.listen,
    }
  }

  on<Name extends BalancerEventName>(
    name: Name,
    listener: (event: BalancerEventOf<Name>) => void,
  ): () => void {
    return this.#events.on(name, listener)
  }

  state(): StateView {
    return this.#builder.build()
  }

  changePolicy(change: PolicyChange): Result<CurrentPolicy, PolicyChangeError> {
    const changed = this.#desk.change(change)
    if (!changed.ok) return changed
    this.#threads?.reroute(this.#desk.routing)
    const { pool } = change
    this.#log(`the policy${pool === undefined ? "" : ` of pool ${pool}`} is ${changed.value.name} now`)
    return ok({ pool: pool ?? "", ...changed.value })
  }

  reloadCertificates(): CertificatesRead | undefined {
    return this.#bugs.guard("the keeping of certificates", () => {
      const reads = [this.#tls?.reload(), this.#backendTls?.reload()].filter((read) => read !== undefined)
      return reads.length === 0 ? undefined : inAll(reads)
    })
  }

  get hasStuckThread(): boolean {
    return this.#threads?.hasStuck ?? false
  }

  onUncaught(error: unknown): void {
    this.#bugs.report("a call that no guard covers", error)
  }

  /** Each by itself: what one of them throws must not keep the others from being done. */
  #onTick(): void {
    const now = systemClock.now()
    const bugs = this.#bugs
    bugs.guard("the registry", () => this.#members.tick(now))
    bugs.guard("the load table", () => this.#slots.reclaim(this.#threads?.appliedByAll ?? 0))
    if (now - this.#sampledAt >= sampleMs) {
      this.#sampledAt = now
      bugs.guard("the rates", () => this.#builder.sample())
    }
    if (now - this.#learnedAt >= learnMs - tickMs / 2) {
      this.#learnedAt = now
      bugs.guard("the learner", () => this.#threads?.learn(this.#learning.learn(this.#members.snapshot, now)))
    }
  }

  #gatherMembers(): Members {
    return new Members({
      config: this.#config,
      slots: this.#slots,
      firstGeneration: wallClock(),
      dialer: this.#dialer,
      clock: systemClock,
      rng: systemRng,
      timers: this.#timers,
      bugs: this.#bugs,
      asksMax: this.#budget?.checks,
      onSnapshot: (snapshot, before) => {
        this.#threads?.apply(snapshot)
        for (const event of membershipEvents(before, snapshot)) this.#events.emit(event)
      },
      onReport: (id, report) => this.#learning.reported(id, report, systemClock.now()),
    })
  }

  #openSources(): Sources {
    return new Sources({
      sources: sourcesOf(this.#config, this.#timers),
      configure: (backends) =>
        this.#bugs.guard("the sources of backends", () => this.#members.configure(backends)) ?? [],
      timers: this.#timers,
      log: this.#log,
    })
  }

  #makeLearning(): Learning {
    const { resources, demand, learning } = this.#config
    const planner = new MixPlanner(resources)
    return new Learning(
      {
        resources,
        prior: amountsOf(resources, demand.default, 0),
        rules: this.#desk.routing.routes.map(({ rule }) => rule),
        routesMax: learning.routesMax,
        planner: {
          plan: (members, routes) =>
            this.#desk.readsMix(members.length)
              ? this.#bugs.guard("the planner", () => planner.plan(members, routes))
              : undefined,
        },
      },
      this.#members.snapshot,
    )
  }

  #makeBuilder(linesLost: () => number): StateBuilder {
    const { resources, demand, routes } = this.#config
    return new StateBuilder({
      version: packageVersion(),
      resources,
      registry: this.#members.registry,
      table: this.#table,
      counters: this.#counters,
      clock: systemClock,
      isoTime,
      demandMode: demand.mode,
      learned: (now) => this.#learning.view(now),
      configured: (route) => routes[route - 1]?.demand ?? {},
      pollError: (id) => this.#members.pollError(id),
      now: () => ({
        policies: this.#desk.current,
        workers: this.#threads?.count ?? 0,
        workersWanted: this.#workers,
        isStopping: this.#isStopping,
        faults: {
          bugs: this.#bugs.count,
          threadsDied: this.#threadsDied,
          threadsStill: this.#threadsStill,
          linesLost: linesLost(),
        },
        sources: this.#sources.view,
        listeners: listenersView(this.listeners),
      }),
    })
  }

  #dataPlaneOptions(): DataPlaneOptions {
    return {
      ...dataPlaneSettings(this.#config),
      worker: 0,
      routing: this.#desk.routing,
      ownPolicies: this.#ownPolicies,
      seed: this.seed,
      cookieKey: this.#config.cookieKey ?? secretBytes(32).toString("base64url"),
      tls: this.#tls?.options,
    }
  }

  /** What the threads tell, each behind a guard. */
  #threadEvents(): Pick<ThreadsOptions, `on${string}` & keyof ThreadsOptions> {
    const bugs = this.#bugs
    return {
      onObserved: (observed) =>
        bugs.guard("the learner", () =>
          this.#learning.observed(observed, this.#members.snapshot.members, systemClock.now()),
        ),
      onConnectFailed: (id) => bugs.guard("the checks", () => this.#members.connectFailed(id)),
      onApplied: (version) => bugs.guard("the load table", () => this.#slots.reclaim(version)),
      onDeath: (lane, error) => {
        this.#threadsDied++
        bugs.report(`data-plane thread ${lane}, which died and is replaced`, error)
      },
      onBug: (lane, where, stack) => bugs.report(`data-plane thread ${lane}, ${where}`, stack),
      onStill: (lane, stillMs) => {
        this.#threadsStill++
        const seconds = (stillMs / 1_000).toFixed(1)
        this.#fail(lane, `has stood still for ${seconds} s: it is ended and replaced`)
      },
      onStuck: (lane) =>
        this.#fail(
          lane,
          "hangs in the system and cannot be ended: new connections may hang " +
            "until the balancer is restarted, although another thread has taken its place",
        ),
    }
  }

  /** A thread has failed in a way that is no bug of this program. */
  #fail(lane: number, what: string): void {
    const where = `data-plane thread ${lane}`
    this.#log(`${where} ${what}`)
    this.#events.emit({ kind: "failure", where, error: new Error(`it ${what}`) })
  }

  #unready(): string | undefined {
    const { members, eligible } = this.#members.snapshot
    return unreadiness({
      isStopping: this.#isStopping,
      threadsReady: this.#threads?.isReady ?? false,
      backends: members.length,
      eligible: eligible.length,
    })
  }

  #onUtilization(id: BackendId, utilization: NamedAmounts): void {
    const { resources } = this.#config
    const vector = amountsOf(resources, utilization, NaN)
    this.#learning.reported(id, loadReport(resources, { utilization: vector }), systemClock.now())
  }

  #avoidOwnListeners(): void {
    const { listen, tls, registration, admin } = this.#config
    const { listeners } = this
    // The hosts as they are configured: a name may have more addresses than the one that it is shown with.
    const all = [
      { host: listen.host, port: listeners.traffic.port },
      { host: registration.listen.host, port: listeners.registration.port },
      { host: admin.listen.host, port: listeners.admin.port },
      ...(tls === undefined ? [] : [{ host: tls.listen.host, port: listeners.tls!.port }]),
    ]
    this.#ownListeners.replace(all)
    this.#threads?.avoid(all)
  }

  #keepTls(config: TlsConfig): TlsKeeper {
    return new TlsKeeper(config, {
      readFile: readTextFile,
      stamp: fileStamp,
      timers: this.#timers,
      wallClock,
      newKey: () => secretBytes(ticketKeyBytes),
      log: this.#log,
      onChange: (material) => this.#threads?.renewTls(material),
    })
  }

  /** Undefined where `upstream.tls` names no files. */
  #keepBackendTls({ tls, tlsFiles }: Config["upstream"]): BackendTlsKeeper | undefined {
    if (Object.values(tlsFiles).every((path) => path === undefined)) return undefined
    return new BackendTlsKeeper(tls, tlsFiles, {
      readFile: readTextFile,
      stamp: fileStamp,
      timers: this.#bugs.timers("the keeping of certificates", systemTimers),
      log: this.#log,
      onChange: (renewed) => {
        this.#dialer.renew(renewed)
        this.#threads?.renewBackendTls(renewed)
      },
    })
  }
}

function harmless(log: Log): Log {
  return (line) => {
    try {
      log(line)
    } catch {
      // The line is lost.
    }
  }
}

/** @param tls of the data plane, which opens two listeners at once */
async function opening<T>(
  listener: StartError["listener"],
  endpoint: Endpoint,
  tls: Endpoint | undefined,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (tls === undefined || !(error instanceof ListenError) || error.listener !== "tls") {
      throw new StartError(listener, endpoint, error)
    }
    throw new StartError("tls", tls, error)
  }
}

function listenersView({ traffic, tls, registration, admin }: BalancerListeners): StateView["listeners"] {
  return {
    traffic: formatEndpoint(traffic),
    ...(tls === undefined ? {} : { tls: formatEndpoint(tls) }),
    registration: formatEndpoint(registration),
    admin: formatEndpoint(admin),
  }
}

/** Undefined where neither the system nor the settings set a limit. */
function descriptorBudget({ limits }: Config, threads: number): DescriptorBudget | undefined {
  const most = Math.min(descriptorLimit() ?? Infinity, limits.descriptorsMax ?? Infinity)
  return most === Infinity ? undefined : budgetOf(most, descriptorsUsed(), threads)
}

function atMost(usual: number, budget: number | undefined): number {
  return Math.min(usual, budget ?? usual)
}
