/**
 * The composition root: puts the rooms together into a running balancer. The main thread is the control plane
 * (registration, leases, checks, page); the data-plane threads relay and never wait for it.
 */
import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import { checkTimesDefault } from "./membership/health.ts"
import { Registry } from "./membership/registry.ts"
import { LoadTable, SlotAllocator } from "./placing/load-table.ts"
import { type Endpoint, formatEndpoint } from "./core/endpoint.ts"
import type { BackendId } from "./core/backend.ts"
import { loadReport } from "./learning/load-report.ts"
import { amountsOf, type NamedAmounts } from "./core/resources.ts"
import { ok, type Result } from "./core/result.ts"
import { adminLimitsDefault, startAdmin } from "./control/admin/admin-api.ts"
import type { ApiListener } from "./control/api/kernel.ts"
import { Bugs } from "./control/bugs.ts"
import { type CertificatesRead, inAll } from "./control/tls/certificate-store.ts"
import { BackendTlsKeeper } from "./control/tls/backend-tls-keeper.ts"
import { Checker, probeOf } from "./control/checks.ts"
import { readTextFile } from "./config/config-file.ts"
import type { Config, TlsConfig } from "./config/config.ts"
import {
  budgetOf,
  type DescriptorBudget,
  descriptorLimit,
  descriptorsUsed,
} from "./control/descriptor-budget.ts"
import { Learning, learnMs } from "./control/learning.ts"
import { Paced } from "./control/paced.ts"
import { LoadPolls } from "./control/load-polls.ts"
import { type PolicyChangeError, PolicyDesk, policyViews } from "./control/policy-desk.ts"
import type { CurrentPolicy, PolicyChange } from "./control/policy-view.ts"
import { registrationLimitsDefault, startRegistration } from "./control/registration/registration-api.ts"
import { unreadiness } from "./control/readiness.ts"
import { StateBuilder } from "./control/state-builder.ts"
import type { StateView } from "./control/state-view.ts"
import { ticketKeyBytes } from "./control/tls/ticket-keys.ts"
import { TlsKeeper } from "./control/tls/tls-keeper.ts"
import { Counters } from "./metrics/counters.ts"
import { MixPlanner } from "./learning/planner/mix-planner.ts"
import { dataPlaneSettings } from "./proxy/options.ts"
import { Dialer } from "./proxy/backends/dial.ts"
import { fileStamp } from "./net/file-stamp.ts"
import { OwnListeners } from "./proxy/backends/own-listeners.ts"
import { ListenError } from "./net/ports.ts"
import { Threads, type ThreadsOptions } from "./proxy/threads/threads.ts"
import { memoryLine, memoryOf, threadHeapMiB } from "./memory.ts"
import { packageVersion } from "./version.ts"
import { systemClock, systemRng, systemTimers, type Timers, wallClock } from "./system.ts"

/** How often leases are looked at. Nothing waits for it longer than this. */
const tickMs = 250

/**
 * The least time between two snapshots, for so many members. Each snapshot is copied to every thread and gone through
 * there, which takes time that grows with the members, so that the spacing does too: to follow a fleet that starts
 * costs a small part of a core, however large it is. The first change after a quiet time waits for nothing.
 */
function snapshotSpacingMs(members: number): number {
  return Math.min(Math.max(20, members / 10), tickMs)
}
/** With room for fewer clients than this the operator is told. */
const clientsFew = 1_000

/** Something that happened, for a log: one line for a person. */
export type Log = (line: string) => void

export interface Balancer {
  /** Where it really listens, with the ports that the system chose for 0. */
  readonly listeners: {
    readonly traffic: Endpoint
    /** Undefined when there is none. */
    readonly tls: Endpoint | undefined
    readonly registration: Endpoint
    readonly admin: Endpoint
  }
  /** Of simulated demand: given, or drawn at start. The same seed gives the same demands. */
  readonly seed: number
  state(): StateView
  /** Another policy, for the requests that are chosen for from now on; nothing that runs or waits is lost. */
  changePolicy(change: PolicyChange): Result<CurrentPolicy, PolicyChangeError>
  /** Reads the certificate files again, as it does by itself when they change; undefined without TLS. */
  reloadCertificates(): CertificatesRead | undefined
  /** Something was thrown that nothing caught: it is said and counted as a bug, and the balancer goes on. */
  onUncaught(error: unknown): void
  /**
   * Fails `/readyz` for `timeouts.unready`, then accepts no more, lets running exchanges finish for at most
   * `timeouts.drain`, and closes everything. Every call resolves when that is done.
   */
  stop(): Promise<void>
  /**
   * A thread hangs in the system, or may, where nothing can end it: neither `stop` nor `process.exit` ends the process.
   */
  readonly hasStuckThread: boolean
}

/** A listener that could not be opened: which, where, and the system's code (`EADDRINUSE`, `EACCES`, …). */
export class StartError extends Error {
  readonly listener: "traffic" | "tls" | "registration" | "admin"
  readonly endpoint: Endpoint
  readonly code: string

  constructor(listener: StartError["listener"], endpoint: Endpoint, cause: unknown) {
    const { code = "unknown", message } = cause as NodeJS.ErrnoException
    super(message, { cause })
    this.listener = listener
    this.endpoint = endpoint
    this.code = code
  }
}

/**
 * Starts a balancer; resolves when all its listeners take connections. Throws `StartError`.
 *
 * @param log must not wait. What it throws is dropped: a line costs no traffic.
 * @param linesLost how many lines the log could not write, for the state.
 */
export async function createBalancer(
  config: Config,
  log: Log = () => {},
  linesLost: () => number = () => 0,
): Promise<Balancer> {
  const balancer = new RunningBalancer(config, harmless(log), linesLost)
  try {
    await balancer.start()
  } catch (error) {
    await balancer.stop()
    throw error
  }
  return balancer
}

class RunningBalancer implements Balancer {
  readonly seed: number
  readonly #config: Config
  readonly #log: Log
  readonly #bugs: Bugs
  /** Those of all parts: what they call is behind a guard. */
  readonly #timers: Timers
  readonly #workers: number
  readonly #budget: DescriptorBudget | undefined
  readonly #table: LoadTable
  readonly #counters: Counters
  readonly #slots: SlotAllocator
  readonly #registry: Registry
  readonly #ownListeners: OwnListeners = new OwnListeners()
  /** Of all that is asked of backends beside traffic. */
  readonly #dialer: Dialer
  readonly #checker: Checker
  readonly #builder: StateBuilder
  readonly #learning: Learning
  readonly #desk: PolicyDesk
  readonly #polls: LoadPolls | undefined
  readonly #cookieKey: string
  readonly #publishing: Paced
  #threads: Threads | undefined
  #tls: TlsKeeper | undefined
  #backendTls: BackendTlsKeeper | undefined
  #registration: ApiListener | undefined
  #admin: ApiListener | undefined
  #tick: NodeJS.Timeout | undefined
  #tickedAt = 0
  #sampledAt = 0
  #learnedAt = 0
  #published = 0
  #publishedMembers = 0
  #threadsDied = 0
  #threadsStill = 0
  #isStopping = false
  #stopped: Promise<void> | undefined

  constructor(config: Config, log: Log, linesLost: () => number) {
    this.#config = config
    this.#bugs = new Bugs(log, systemClock)
    this.#timers = this.#bugs.timers("what a timer of the control plane called", systemTimers)
    this.#log = (line) => this.#bugs.guard("the log", () => log(line))
    this.#desk = new PolicyDesk(config)
    this.#cookieKey = config.cookieKey ?? randomBytes(32).toString("base64url")
    this.#workers = config.workers === "auto" ? availableParallelism() : config.workers
    this.seed = config.seed ?? systemRng().below(2 ** 31)

    const { resources, registration, checks } = config
    // As many rows again as members: one that has left keeps its row until its last attempt has settled.
    const rows = registration.backendsMax * 2
    this.#budget = descriptorBudget(config, this.#workers)
    // Twice the lanes: a thread that cannot be ended keeps its own, and another takes its place.
    const lanes = this.#workers * 2
    this.#table = LoadTable.create(resources, rows, lanes)
    this.#counters = Counters.create(rows, lanes, resources.length)
    this.#slots = new SlotAllocator(this.#table, (slot) => this.#counters.clear(slot))
    this.#registry = new Registry({
      ...registration,
      resources,
      slots: this.#slots,
      firstGeneration: wallClock(),
      membersMax: registration.backendsMax,
      checkTimes: {
        ...checks,
        fastIntervalMs: Math.min(checkTimesDefault.fastIntervalMs, checks.intervalMs),
      },
    })
    this.#dialer = new Dialer(config.backends, systemClock, {
      log: this.#log,
      timers: this.#timers,
      ownListeners: this.#ownListeners,
    })
    this.#publishing = new Paced(
      () => this.#publish(),
      () => snapshotSpacingMs(this.#publishedMembers),
      systemClock,
      this.#timers,
    )
    const planner = new MixPlanner(resources)
    this.#learning = new Learning(
      {
        resources,
        prior: amountsOf(resources, config.demand.default, 0),
        rules: this.#desk.routing.routes.map(({ rule }) => rule),
        routesMax: config.learning.routesMax,
        planner: {
          plan: (members, routes) =>
            this.#desk.readsMix(members.length)
              ? this.#bugs.guard("the planner", () => planner.plan(members, routes))
              : undefined,
        },
      },
      this.#registry.snapshot,
    )
    // Checks and polls share theirs.
    const checksAtOnce =
      this.#budget === undefined ? {} : { concurrentMax: Math.ceil(this.#budget.checks / 2) }
    const { loadReports } = config.backends
    this.#polls =
      loadReports &&
      new LoadPolls({
        ...loadReports,
        resources,
        dialer: this.#dialer,
        clock: systemClock,
        rng: systemRng(),
        timers: this.#timers,
        onReport: (id, report) => this.#learning.reported(id, report, systemClock.now()),
        onBug: (error) => this.#bugs.report("the polls for load reports", error),
        ...checksAtOnce,
      })
    this.#checker = new Checker({
      registry: this.#registry,
      probe: probeOf(checks, this.#dialer),
      clock: systemClock,
      rng: systemRng(),
      timers: this.#timers,
      onChange: () => this.#publishing.ask(),
      onBug: (error) => this.#bugs.report("the checks", error),
      ...checksAtOnce,
    })
    this.#builder = new StateBuilder({
      version: packageVersion(),
      resources,
      registry: this.#registry,
      table: this.#table,
      counters: this.#counters,
      clock: systemClock,
      wallClock,
      demandMode: config.demand.mode,
      learned: (now) => this.#learning.view(now),
      configured: (route) => config.routes[route - 1]?.demand ?? {},
      pollError: (id) => this.#polls?.errorOf(id),
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
        listeners: {
          traffic: formatEndpoint(this.listeners.traffic),
          ...(this.listeners.tls === undefined ? {} : { tls: formatEndpoint(this.listeners.tls) }),
          registration: formatEndpoint(this.listeners.registration),
          admin: formatEndpoint(this.listeners.admin),
        },
      }),
    })
  }

  get listeners(): Balancer["listeners"] {
    const { listen, tls, registration, admin } = this.#config
    return {
      traffic: { host: listen.host, port: this.#threads?.port ?? listen.port },
      tls: tls && { host: tls.listen.host, port: this.#threads?.tlsPort ?? tls.listen.port },
      registration: this.#registration?.address ?? registration.listen,
      admin: this.#admin?.address ?? admin.listen,
    }
  }

  async start(): Promise<void> {
    const { listen, tls, registration, admin } = this.#config
    const budget = this.#budget
    if (budget !== undefined && budget.clients < clientsFew) {
      const { connections, clients } = budget
      this.#log(
        `there are descriptors for ${connections} connections only, at most ${clients} of them of clients: let the process ` +
          "have more (LimitNOFILE, ulimit -n, limits.descriptorsMax)",
      )
    }
    const memory = memoryOf()
    this.#log(memoryLine(memory, this.#workers))
    this.#tls = tls && this.#keepTls(tls)
    const options = {
      ...dataPlaneSettings(this.#config),
      worker: 0,
      routing: this.#desk.routing,
      seed: this.seed,
      cookieKey: this.#cookieKey,
      tls: this.#tls?.options,
    }
    this.#threads = await opening("traffic", listen, tls?.listen, () =>
      Threads.start({
        workers: this.#workers,
        heapMiB: threadHeapMiB(memory, this.#workers),
        options,
        table: this.#table,
        counters: this.#counters,
        snapshot: this.#registry.snapshot,
        learned: this.#learning.learned,
        clock: systemClock,
        connectionsMax: budget && { all: budget.connections, clients: budget.clients },
        stillMsMax: this.#config.timeouts.threadStillMs,
        ...this.#threadEvents(),
      }),
    )
    // Made behind the threads, which it tells of changes; one between the reading of the files and now is found here.
    this.#backendTls = this.#keepBackendTls(this.#config.backends)
    this.#backendTls?.reload()
    // A certificate may have been renewed while the threads were starting.
    const material = this.#tls?.options.material
    if (material !== undefined && material !== options.tls?.material) this.#threads.renewTls(material)
    this.#registration = await opening("registration", registration.listen, undefined, () =>
      startRegistration({
        ...registration.listen,
        ...registration,
        registry: this.#registry,
        clock: systemClock,
        isOwnListener: (host, port) => this.#ownListeners.has(host, port),
        onChange: () => this.#publishing.ask(),
        onUtilization: (id, utilization) =>
          this.#bugs.guard("the learner", () => this.#onUtilization(id, utilization)),
        onBug: (error) => this.#bugs.report("the registration API", error),
        limits: { connectionsMax: atMost(registrationLimitsDefault.connectionsMax, budget?.registration) },
      }),
    )
    // From now on backends may announce themselves; where the page listens follows.
    this.#avoidOwnListeners()
    this.#admin = await opening("admin", admin.listen, undefined, () =>
      startAdmin({
        ...admin.listen,
        ...admin,
        state: () => this.state(),
        policies: policyViews(this.#config.resources),
        changePolicy: (change) => this.changePolicy(change),
        unready: () => this.#unready(),
        timers: this.#timers,
        onBug: (error) => this.#bugs.report("the admin API", error),
        limits: { connectionsMax: atMost(adminLimitsDefault.connectionsMax, budget?.admin) },
      }),
    )
    this.#avoidOwnListeners()
    this.#tickedAt = systemClock.now()
    this.#tick = setInterval(() => this.#bugs.guard("the control plane's tick", () => this.#onTick()), tickMs)
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

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    // What is not ready has nothing more to say to what sends clients here.
    const wasReady = this.#unready() === undefined
    this.#isStopping = true
    this.#threads?.drain()
    const { unreadyMs } = this.#config.timeouts
    if (wasReady) await new Promise<void>((resolve) => void this.#timers.set(unreadyMs, resolve))
    clearInterval(this.#tick)
    for (const part of [
      this.#publishing,
      this.#tls,
      this.#backendTls,
      this.#checker,
      this.#polls,
      this.#dialer,
    ]) {
      this.#bugs.guard("the stop", () => part?.close())
    }
    // The page stays to the last, so that a person can watch what still runs.
    await this.#registration?.close()
    await this.#threads?.stop()
    await this.#admin?.close()
  }

  #onTick(): void {
    const now = systemClock.now()
    // Renewals could not be heard while this thread stood still: leases last that much longer.
    const lateMs = now - this.#tickedAt - tickMs
    if (lateMs > tickMs) this.#registry.forgive(lateMs, now)
    this.#tickedAt = now
    // Each by itself: what one of them throws must not keep the others from being done.
    this.#bugs.guard("the registry", () => this.#registry.expire(now))
    this.#publishing.ask()
    this.#bugs.guard("the load table", () => this.#slots.reclaim(this.#threads?.appliedByAll ?? 0))
    if (now - this.#sampledAt >= 900) {
      this.#sampledAt = now
      this.#bugs.guard("the rates", () => this.#builder.sample())
    }
    if (now - this.#learnedAt < learnMs - tickMs / 2) return
    this.#learnedAt = now
    this.#bugs.guard("the learner", () =>
      this.#threads?.learn(this.#learning.learn(this.#registry.snapshot, now)),
    )
  }

  /** What the threads tell, each behind a guard. */
  #threadEvents(): Pick<ThreadsOptions, `on${string}` & keyof ThreadsOptions> {
    const bugs = this.#bugs
    return {
      onObserved: (observed) =>
        bugs.guard("the learner", () =>
          this.#learning.observed(observed, this.#registry.snapshot.members, systemClock.now()),
        ),
      onConnectFailed: (id) => bugs.guard("the checks", () => this.#checker.checkNow(id)),
      onApplied: (version) => bugs.guard("the load table", () => this.#slots.reclaim(version)),
      onDeath: (lane, error) => {
        this.#threadsDied++
        bugs.report(`data-plane thread ${lane}, which died and is replaced`, error)
      },
      onBug: (lane, where, stack) => bugs.report(`data-plane thread ${lane}, ${where}`, stack),
      onStill: (lane, stillMs) => {
        this.#threadsStill++
        const seconds = (stillMs / 1_000).toFixed(1)
        this.#log(`data-plane thread ${lane} has stood still for ${seconds} s: it is ended and replaced`)
      },
      onStuck: (lane) =>
        this.#log(
          `data-plane thread ${lane} hangs in the system and cannot be ended: new connections may hang ` +
            "until the balancer is restarted, although another thread has taken its place",
        ),
    }
  }

  #unready(): string | undefined {
    const { members, eligible } = this.#registry.snapshot
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

  /** Undefined where `backends.tls` names no files. */
  #keepBackendTls({ tls, tlsFiles }: Config["backends"]): BackendTlsKeeper | undefined {
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

  #keepTls(config: TlsConfig): TlsKeeper {
    return new TlsKeeper(config, {
      readFile: readTextFile,
      stamp: fileStamp,
      timers: this.#timers,
      wallClock,
      newKey: () => randomBytes(ticketKeyBytes),
      log: this.#log,
      onChange: (material) => this.#threads?.renewTls(material),
    })
  }

  /** Passes a new membership on to everything that works by it. */
  #publish(): void {
    const { snapshot } = this.#registry
    if (snapshot.version === this.#published) return
    this.#published = snapshot.version
    this.#publishedMembers = snapshot.members.length
    this.#bugs.guard("the snapshots", () => this.#threads?.apply(snapshot))
    this.#bugs.guard("the checks", () => this.#checker.follow(snapshot))
    this.#bugs.guard("the polls for load reports", () => this.#polls?.follow(snapshot))
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

/** Undefined where neither the system nor the configuration sets a limit. */
function descriptorBudget({ limits }: Config, threads: number): DescriptorBudget | undefined {
  const most = Math.min(descriptorLimit() ?? Infinity, limits.descriptorsMax ?? Infinity)
  return most === Infinity ? undefined : budgetOf(most, descriptorsUsed(), threads)
}

function atMost(usual: number, budget: number | undefined): number {
  return Math.min(usual, budget ?? usual)
}
