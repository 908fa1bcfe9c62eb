import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http"
import type { AddressInfo } from "node:net"
import { hostname } from "node:os"
import type { Clock, Millis } from "../core/clock.ts"
import { demandHeader, resourcesMax, type NamedAmounts } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { Rng } from "../core/rng.ts"
import { systemClock, systemRng, systemTimers, type Timers } from "../system.ts"
import { announce, type AnnounceOptions, type Announcement } from "../announce/announce.ts"
import { AssemblyLine, type Job } from "./assembly-line.ts"
import { WaitingRoom } from "./waiting-room.ts"
import { speedDefault } from "./pace.ts"

export interface DemonstrationOptions {
  readonly id: string
  /** The address to listen on; loopback by default. */
  readonly host?: string
  /** 0 takes a free one. */
  readonly port: number
  /** Units per second of each resource. A job visits the resources in this order, one after the other. */
  readonly capacity: NamedAmounts
  /** How much faster the virtual second runs: capacity 20 at speed 50 works off 1000 units per second. */
  readonly speed?: number
  /** The most of a resource that one job can use, units per second: the speed of one core. No bound by default. */
  readonly lane?: NamedAmounts
  /** Whether a rate serves all jobs at once, or one per lane in order of arrival. Default sharing. */
  readonly discipline?: "sharing" | "fifo"
  /**
   * Resources that a job does not work on but holds until its response is sent, whatever the speed. None by default.
   * Jobs that find no room wait before their work begins, first come, first served.
   */
  readonly spaces?: readonly string[]
  /** What it says that it has, where that is not the truth. */
  readonly registers?: NamedAmounts
  /** What responses report: cost and utilization, utilization alone, or nothing. Default all. */
  readonly reports?: LoadReports
  /** Where to announce itself, once the backend listens; nowhere by default. */
  readonly announce?: Omit<AnnounceOptions, "id" | "port" | "capacity" | "report" | "onState" | "timers">
  readonly log?: (line: string) => void
  readonly clock?: Clock
  readonly timers?: Timers
  /** Chooses which requests fail when a part of them is to fail. */
  readonly rng?: Rng
}

export type LoadReports = "costs" | "utilization" | "none"

/** The condition of a backend from now on; what is not named stays as it is. For playing faults. */
export interface Disturbance {
  /** By resource, the part of its speed at which it works; 0 stands still. */
  readonly speeds?: Readonly<Record<string, number>>
  /** By resource, the part that another program uses: of a rate what is left is as fast for one job as before. */
  readonly taken?: Readonly<Record<string, number>>
  /** This part of its requests gets an error at once. */
  readonly failing?: number
  /** Costs and utilization are reported as this many times the truth. */
  readonly reportFactor?: number
  /** Utilization is reported as it was when this began. */
  readonly reportsFrozen?: boolean
}

/** The response to `GET /stats`. Amounts are by resource name, in the resource's own unit. */
export interface DemonstrationStats {
  readonly id: string
  readonly capacity: NamedAmounts
  readonly speed: number
  /** Work of the completed jobs. */
  readonly totals: NamedAmounts
  /** Completed jobs. */
  readonly requests: number
  /** Jobs whose client left before the response; in no total. */
  readonly aborted: number
  /** Jobs that have no response yet. */
  readonly running: number
  /** Busy fraction of about the last second, 0 to 1. */
  readonly utilization: NamedAmounts
  readonly draining: boolean
}

export interface DemonstrationBackend {
  /** `host:port`, IPv6 in brackets. */
  readonly address: string
  readonly port: number
  /** Where its announcement stands; `undefined` when it announces itself nowhere. */
  readonly announcement: Announcement | undefined
  stats(): DemonstrationStats
  /** Makes it better or worse while it runs. Throws RangeError for a resource that it does not have. */
  setCondition(condition: Disturbance): void
  /** Asks the balancer for no new requests and closes each connection with its next response. */
  drain(): Promise<void>
  /** The orderly end: drain, wait for the running jobs (10 s at most), leave the balancer, close. */
  shutdown(): Promise<void>
  /** The end at once: leaves the balancer and cuts off what is running. */
  close(): Promise<void>
}

/** The most work a request may ask of one resource. */
const workMax = 1_000_000
const drainMsMax = 10_000
/** Longer than the balancer keeps an idle connection (55 s), so it is never this side that closes first. */
const keepAliveMs = 75_000
/** For responses on their way when the server closes in order. */
const flushMsMax = 1_000

/**
 * Starts a backend to try a balancer with: an HTTP server on which every request is a job. The headers `Compute`
 * and `Storage` (one per resource, the name capitalised; missing is 0) say how much work it is, and it occupies
 * one resource after the other, each shared among the jobs in it, so that latency grows with load as on a real
 * CPU and disk, without using one: a single timer waits for the next completion. `Hold` asks it to wait for so many virtual
 * milliseconds when the work is done.
 *
 * `GET /healthz` and `GET /stats` respond at once and are no jobs; every other request is one, whatever its method and
 * path. The response is JSON, or a page where `Accept` names `text/html`, and carries an ORCA load report.
 *
 * @throws RangeError when the capacity or speed makes no sense; rejects when the port is taken.
 */
export async function startDemonstrationBackend(
  options: DemonstrationOptions,
): Promise<DemonstrationBackend> {
  const backend = new Demonstration(options)
  await backend.listen()
  return backend
}

/** A job that may have to wait for room, and can be told that there will be none. */
interface RoomJob extends Job {
  readonly refuse: (error: Refusal) => void
}

class Demonstration implements DemonstrationBackend {
  readonly #options: DemonstrationOptions
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #log: (line: string) => void
  readonly #names: readonly string[]
  readonly #headers: readonly string[]
  readonly #line: AssemblyLine
  readonly #speed: number
  /** By resource, whether it is only held. */
  readonly #isSpace: readonly boolean[]
  readonly #room: WaitingRoom<RoomJob>
  readonly #totals: number[]
  /** Of each resource: of its speed, and of that the part that no other program takes. */
  readonly #speeds: number[]
  readonly #taken: number[]
  #failing = 0
  readonly #rng: Rng
  #reportFactor = 1
  #frozenReport: NamedAmounts | undefined
  readonly #server: Server
  #requests = 0
  #aborted = 0
  #running = 0
  #draining = false
  #idle: (() => void) | undefined
  #announcement: Announcement | undefined
  #end: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #place: { readonly address: string; readonly port: number } | undefined

  constructor(options: DemonstrationOptions) {
    const { capacity, speed = speedDefault } = options
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#timers = options.timers ?? systemTimers
    this.#log = options.log ?? (() => {})
    this.#names = namesOf(capacity)
    this.#headers = this.#names.map(demandHeader)
    if (!(speed > 0 && speed < Infinity)) throw new RangeError(`the speed must be above 0; found ${speed}`)
    this.#speed = speed
    const { discipline = "sharing", lane = {}, spaces = [], registers = {} } = options
    checkNames("lane", Object.keys(lane), this.#names)
    checkNames("spaces", spaces, this.#names)
    checkNames("registers", Object.keys(registers), this.#names)
    this.#isSpace = this.#names.map((name) => spaces.includes(name))
    this.#room = new WaitingRoom(
      this.#names.map((name, r) => (this.#isSpace[r] === true ? capacity[name]! : 0)),
    )
    this.#speeds = this.#names.map(() => 1)
    this.#taken = this.#names.map(() => 0)
    this.#rng = options.rng ?? systemRng()
    const stages = this.#names.map((name, index) => ({
      rate: this.#isSpace[index] === true ? 0 : capacity[name]! * speed,
      lane: (lane[name] ?? Infinity) * speed,
      discipline,
    }))
    this.#line = new AssemblyLine(stages, this.#clock, this.#timers)
    this.#totals = this.#names.map(() => 0)
    this.#server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) =>
      this.#answer(request, response),
    )
  }

  async listen(): Promise<void> {
    const { id, host = "127.0.0.1", port, capacity, announce: to } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(port, host, resolve)
    })
    this.#place = placeOf(this.#server.address() as AddressInfo)
    this.#log(`${id} listens on ${this.address}`)
    if (to === undefined) return
    this.#announcement = announce({
      ...(to.address === undefined ? { port: this.port } : {}),
      ...to,
      timers: this.#timers,
      id,
      capacity: { ...capacity, ...this.#options.registers },
      report: () => ({
        ...(this.#options.reports === "none" ? {} : { utilization: this.#reported() }),
        inFlight: this.#running,
      }),
      onState: ({ state, reason }) => this.#log(`${id} ${state}: ${reason}`),
    })
  }

  get port(): number {
    return this.#place!.port
  }

  get address(): string {
    return this.#place!.address
  }

  get announcement(): Announcement | undefined {
    return this.#announcement
  }

  stats(): DemonstrationStats {
    const { id, capacity, speed = speedDefault } = this.#options
    const utilization = this.#utilization()
    return {
      id,
      capacity,
      speed,
      totals: this.#named(this.#totals),
      requests: this.#requests,
      aborted: this.#aborted,
      running: this.#running,
      utilization,
      draining: this.#draining,
    }
  }

  setCondition(condition: Disturbance): void {
    const { speeds = {}, taken = {}, failing, reportFactor, reportsFrozen } = condition
    checkNames("speeds", Object.keys(speeds), this.#names)
    checkNames("taken", Object.keys(taken), this.#names)
    for (const [index, name] of this.#names.entries()) {
      const speed = speeds[name] ?? this.#speeds[index]!
      const part = taken[name] ?? this.#taken[index]!
      if (speed === this.#speeds[index] && part === this.#taken[index]) continue
      this.#speeds[index] = speed
      this.#taken[index] = part
      if (this.#isSpace[index] === true) this.#setRoom(index, part)
      else this.#line.setSpeed(index, speed, part)
    }
    this.#failing = failing ?? this.#failing
    this.#reportFactor = reportFactor ?? this.#reportFactor
    if (reportsFrozen !== undefined) this.#frozenReport = reportsFrozen ? this.#reported() : undefined
  }

  async drain(): Promise<void> {
    this.#draining = true
    await this.#announcement?.drain()
  }

  shutdown(): Promise<void> {
    this.#end ??= this.#shutDown()
    return this.#end
  }

  async #shutDown(): Promise<void> {
    await this.drain()
    await this.#untilIdle()
    await this.#announcement?.leave()
    const cancel = this.#timers.set(flushMsMax, () => this.#server.closeAllConnections())
    await this.#closed()
    cancel()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#announcement?.leave()
    const closed = this.#closed()
    this.#server.closeAllConnections()
    await closed
  }

  async #closed(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
    this.#log(`${this.#options.id} has closed after ${this.#requests} requests`)
  }

  async #untilIdle(): Promise<void> {
    if (this.#running === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    const cancel = this.#timers.set(drainMsMax, resolve)
    await promise
    cancel()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.#draining) response.setHeader("connection", "close")
    const { method = "GET", url = "/" } = request
    const path = method === "GET" || method === "HEAD" ? url.split("?", 1)[0] : undefined
    if (path === "/healthz") return send(response, 200, "text/plain; charset=utf-8", "ok")
    if (path === "/stats") return sendJson(response, 200, this.stats())
    const work = workOf(request.headers, this.#headers)
    if (!work.ok) return sendJson(response, work.error.status, { error: work.error })
    const lacking = work.value.findIndex((amount, index) => amount > 0 && this.#capacity(index) === 0)
    if (lacking !== -1) return sendJson(response, 503, { error: lacks(this.#headers[lacking]!) })
    const tooLarge = this.#room.lacking(work.value)
    if (tooLarge !== -1)
      return sendJson(response, 503, { error: lacks(this.#headers[tooLarge]!, "not so much") })
    const hold = amountOf(request.headers, "Hold")
    if (!hold.ok) return sendJson(response, hold.error.status, { error: hold.error })
    if (this.#failing > 0 && this.#rng.next() < this.#failing)
      return sendJson(response, 503, { error: fails })
    this.#run(request, response, work.value, hold.value / this.#speed)
  }

  /** Runs a job: its response is sent when its work is done and its body is read, forgotten when its client leaves. */
  #run(request: IncomingMessage, response: ServerResponse, work: readonly number[], holdMs: Millis): void {
    const arrivedAt = this.#clock.now()
    let bodyBytes = 0
    let missing = 2
    let gone = false
    const partDone = (): void => {
      if (gone || --missing > 0) return
      this.#settle("completed", job, work)
      this.#complete(request, response, { work, bodyBytes, serviceMs: this.#clock.now() - arrivedAt })
    }
    let cancelHold: (() => void) | undefined
    const workDone = (): void => {
      if (holdMs > 0) cancelHold = this.#timers.set(holdMs, partDone)
      else partDone()
    }
    const job: RoomJob = {
      work: work.map((amount, index) => (this.#isSpace[index] === true ? 0 : amount)),
      done: workDone,
      refuse: (error) => {
        gone = true
        missing = 0
        this.#settle("refused", job, work)
        sendJson(response, error.status, { error })
      },
      stage: 0,
    }
    this.#running++
    request.on("data", (chunk: Buffer) => (bodyBytes += chunk.length))
    request.on("end", partDone)
    response.on("close", () => {
      if (missing === 0) return
      gone = true
      cancelHold?.()
      this.#line.remove(job)
      this.#settle("aborted", job, work)
    })
    if (this.#room.enter(job, work)) this.#line.add(job)
  }

  #setRoom(index: number, taken: number): void {
    this.#begin(this.#room.setTaken(index, taken))
    for (const job of this.#room.unfit()) job.refuse(lacks(this.#headers[index]!, "not so much"))
  }

  /** There is room now for jobs that had to wait for it. */
  #begin(jobs: readonly RoomJob[]): void {
    for (const job of jobs) this.#line.add(job)
  }

  #settle(how: "completed" | "aborted" | "refused", job: RoomJob, work: readonly number[]): void {
    this.#running--
    this.#begin(this.#room.leave(job))
    if (how === "aborted") this.#aborted++
    if (how === "completed") {
      this.#requests++
      for (const [index, amount] of work.entries()) this.#totals[index]! += amount
    }
    if (this.#running === 0) this.#idle?.()
  }

  #complete(
    request: IncomingMessage,
    response: ServerResponse,
    facts: { readonly work: readonly number[]; readonly bodyBytes: number; readonly serviceMs: Millis },
  ): void {
    const { method = "GET", url = "/", headers } = request
    const { id, capacity, totals, requests, running, utilization } = this.stats()
    const { reports = "costs" } = this.#options
    const job = this.#named(facts.work)
    const serviceMs = rounded(facts.serviceMs)
    const answer = {
      id,
      method,
      path: url,
      job,
      totals,
      requests,
      serviceMs,
      bodyBytes: facts.bodyBytes,
      running,
      capacity,
    }
    // JSON and not TEXT: Envoy's parser of the TEXT form throws a report with request_cost away.
    if (reports !== "none") {
      const report = {
        ...(reports === "costs" ? { request_cost: this.#lied(job) } : {}),
        utilization: this.#reported(),
      }
      response.setHeader("endpoint-load-metrics", `JSON ${JSON.stringify(report)}`)
    }
    if (headers.accept?.includes("text/html") === true) {
      response.setHeader(
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
      )
      send(response, 200, "text/html; charset=utf-8", page({ ...answer, utilization }))
    } else sendJson(response, 200, answer)
  }

  #capacity(index: number): number {
    return this.#options.capacity[this.#names[index]!]!
  }

  #utilization(): NamedAmounts {
    const busy = this.#line.utilization()
    return this.#named(
      busy.map((part, index) => {
        const taken = this.#taken[index]!
        // What it sees of itself is of the whole machine, so it includes what its neighbours use.
        if (this.#isSpace[index] !== true) return rounded(part * (1 - taken) + taken)
        return rounded(this.#room.held(index) / this.#capacity(index) + taken)
      }),
    )
  }

  /** What it says of its utilization, which may be wrong on purpose. */
  #reported(): NamedAmounts {
    if (this.#frozenReport !== undefined) return this.#frozenReport
    const utilization = this.#lied(this.#utilization())
    return Object.fromEntries(Object.entries(utilization).map(([name, part]) => [name, Math.min(1, part)]))
  }

  #lied(amounts: NamedAmounts): NamedAmounts {
    if (this.#reportFactor === 1) return amounts
    return Object.fromEntries(
      Object.entries(amounts).map(([name, amount]) => [name, rounded(amount * this.#reportFactor)]),
    )
  }

  #named(amounts: readonly number[]): NamedAmounts {
    return Object.fromEntries(this.#names.map((name, index) => [name, amounts[index]!]))
  }
}

function placeOf({ address, family, port }: AddressInfo): {
  readonly address: string
  readonly port: number
} {
  return { address: family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`, port }
}

interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly header: string
}

function namesOf(capacity: NamedAmounts): readonly string[] {
  const entries = Object.entries(capacity)
  const valid = entries.every(
    ([name, amount]) => /^[a-z][a-z0-9-]*$/i.test(name) && amount >= 0 && amount < Infinity,
  )
  if (!valid || entries.length > resourcesMax || !entries.some(([, amount]) => amount > 0)) {
    const found = JSON.stringify(capacity)
    throw new RangeError(`a capacity is 1 to ${resourcesMax} finite amounts, one above 0; found ${found}`)
  }
  return entries.map(([name]) => name)
}

function workOf(headers: IncomingHttpHeaders, names: readonly string[]): Result<readonly number[], Refusal> {
  const work: number[] = []
  for (const header of names) {
    const amount = amountOf(headers, header)
    if (!amount.ok) return amount
    work.push(amount.value)
  }
  return ok(work)
}

/** The number that this header says, 0 without it. */
function amountOf(headers: IncomingHttpHeaders, header: string): Result<number, Refusal> {
  const found = headers[header.toLowerCase()] ?? "0"
  const amount = /^\d+(?:\.\d+)?$/.test(String(found)) ? Number(found) : NaN
  if (amount <= workMax) return ok(amount)
  const message = `${header} must be a number from 0 to ${workMax}; found ${JSON.stringify(found).slice(0, 100)}`
  return fail({ status: 400, code: "bad_demand", message, header })
}

function checkNames(what: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new RangeError(`${what} names "${unknown}", of which it has no capacity; it has ${known.join(", ")}`)
}

function lacks(header: string, what: "no" | "not so much" = "no"): Refusal {
  const message = `this backend has ${what} ${header.toLowerCase()}`
  return { status: 503, code: "no_capacity", message, header }
}

const fails = { status: 503, code: "failing", message: "this backend has been told to fail" }

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json", `${JSON.stringify(value)}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) }).end(body)
}

/** To a ten-thousandth: what a person or a balancer can use. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000
}

interface PageFacts {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly job: NamedAmounts
  readonly totals: NamedAmounts
  readonly capacity: NamedAmounts
  readonly utilization: NamedAmounts
  readonly requests: number
  readonly running: number
  readonly serviceMs: Millis
  readonly bodyBytes: number
}

/** The response as a page that loads nothing else, not even an icon: a browser's visit is one job. */
function page(facts: PageFacts): string {
  const { id, method, path, job, totals, capacity, utilization } = facts
  const rows = Object.keys(capacity).map((name) => {
    const busy = Math.round(utilization[name]! * 100)
    return `<tr><th scope="row">${escaped(name)}</th><td>${shown(job[name]!)}</td><td>${shown(totals[name]!)}</td>
<td>${shown(capacity[name]!)}</td><td><meter value="${busy}" max="100">${busy} %</meter> ${busy} %</td></tr>`
  })
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(id)}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --ink: light-dark(#1b2430, #e6ebf2); --soft: light-dark(#5b6675, #98a4b5);
  --line: light-dark(#dde2e9, #2c3542); --card: light-dark(#fff, #171d26); --ground: light-dark(#f4f6f9, #0f141b) }
body { margin: 0; padding: 1.5rem 1rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 40rem; margin: 0 auto; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px }
h1 { margin: 0; font-size: 1.5rem; overflow-wrap: anywhere }
p { margin: .25rem 0 0; color: var(--soft); overflow-wrap: anywhere }
.scroll { overflow-x: auto; margin: 1rem 0 }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child { text-align: left }
thead th { color: var(--soft); font-weight: 500 }
meter { width: 4rem }
</style>
</head>
<body>
<main>
<h1>${escaped(id)}</h1>
<p>responded to <code>${escaped(method)} ${escaped(path)}</code> in ${facts.serviceMs} ms on ${escaped(hostname())}</p>
<div class="scroll"><table>
<thead><tr><th></th><th scope="col">this job</th><th scope="col">total</th><th scope="col">capacity</th>
<th scope="col">busy</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table></div>
<p>${facts.requests} jobs done, ${facts.running} running, ${facts.bodyBytes} body bytes read.
Totals count these jobs; <code>/stats</code> has them as JSON without being one.</p>
</main>
</body>
</html>
`
}

/** Sums of decimal fractions without their binary tail. */
function shown(amount: number): string {
  return String(Number(amount.toPrecision(12)))
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
