/**
 * Hot path: one client request with its response, over one attempt or several. It knows no protocol: what it calls and
 * what it is told is in core/http/streams.ts.
 *
 *     idle ──begin──▶ attempting ──final head──▶ responding ──last byte──▶ idle
 *        │             │  ▲    │                      └──(cut)──▶ idle, the client is cut
 *   small body,  no room  │    ├──(failed, may be sent again)──▶ attempting
 *        ▼             ▼  │    ├──(failed)──▶ an error is sent, idle
 *    collecting ─────▶ queued  └──101 that was asked for──▶ tunnel ──both sides ended──▶ idle
 *
 * A body of small known length is collected before a backend is chosen, so that a slow client holds none of its
 * connections; the whole body, or one that memory does not suffice for, goes on as if it had just begun.
 *
 * Every way out of `attempting`, `responding` and `tunnel` leads through `#release`, which settles the attempt, and
 * every way back to `idle` through `#leave`, where the request leaves with its record. Both take the same moments.
 * Benchmark: bench/exchange.ts, bench/relay.ts.
 */
import type { Attempt } from "../placing/attempts.ts"
import { avoidMs } from "../placing/choosing.ts"
import type { Observer } from "../learning/observer.ts"
import type { BackendId } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import { type ErrorCode, errors } from "../core/errors.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import { isIdempotent, isSafe } from "../core/http/methods.ts"
import type {
  BackendEvents,
  BackendStream,
  BodyPieces,
  ClientEvents,
  ClientStream,
  RequestOrigin,
} from "../core/http/streams.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceVector } from "../core/resources.ts"
import type { AttemptResult } from "../policies/policy.ts"
import { affinityHashOf, type Bindings, bindingLines } from "./affinity.ts"
import type { BackendPool } from "./backends/backend-pool.ts"
import { openingOf, Origin } from "./backends/origin.ts"
import type { Budget } from "./budget.ts"
import type { Context } from "./context.ts"
import type { Exit } from "./exit.ts"
import { clientKeyOf, type Contender } from "./fair-share.ts"
import type { Demand, Fleet, FleetBackend, Group, Placement } from "./fleet.ts"
import type { AffinityOptions, BackendOptions } from "../config/config.ts"
import { RequestBody } from "./request-body.ts"
import type { RequestEnding } from "./request-record.ts"
import { reportIn, reportInTrailers, retryAfterIn } from "./response-facts.ts"
import type { Route, RouteTable } from "./route-table.ts"
import type { SettledAttempt } from "./settled-attempt.ts"
import type { Waiting, WaitingQueue } from "../placing/waiting-queue.ts"
import type { Weigher } from "./weigher.ts"

/** Where connections are short, bodies that have come slower than this on average give theirs up, after a while. */
const slowBytesPerSecond = 4_096
const graceMs = 2_000
/** And responses of which the client has taken nothing for so long. */
const unreadMs = 3_000

/** What the exchanges of one thread share beside the context. */
export interface ExchangeContext extends Context {
  readonly fleet: Fleet
  readonly placement: Placement
  readonly routes: RouteTable
  readonly weigher: Weigher
  readonly observer: Observer
  readonly outcome: SettledAttempt
  readonly exit: Exit
  readonly bindings: Bindings
  /** For bodies that are collected. */
  readonly budget: Budget
  /** The field line that asks the backend for a load report; "" when none is asked for. */
  readonly askLine: string
  /** Via as clients get it, of a response in HTTP/1.0 and in HTTP/1.1; "" where they do not. */
  readonly viaLines: readonly [http10: string, http11: string]
  /** The client of this exchange has gone: it carries no more requests. */
  onExchangeGone(exchange: Exchange): void
}

export class Exchange implements ClientEvents, BackendEvents, Contender, Waiting {
  isHead = false
  takesChunks = false
  takesTrailers = false
  upgrades = false
  readonly #context: ExchangeContext
  readonly #client: ClientStream
  readonly #body: RequestBody
  /** Made when the client needs connections of its own: for the PROXY protocol at once, else with its credentials. */
  #origin: Origin | undefined

  #state: "idle" | "collecting" | "queued" | "attempting" | "responding" | "tunnel" = "idle"
  #attempt: Attempt | undefined
  #stream: BackendStream | undefined
  /** The stream has said that it may be written to. */
  #ready = false
  #attempts = 0
  #route: Route
  /** Where it waits: that of its route's group, which may be another one by now. Undefined while it does not wait. */
  #queue: WaitingQueue | undefined
  /** Until when it may wait. */
  #queuedUntil: Millis = 0
  #demand: Demand
  #affinityHash: number | undefined = undefined
  #clientAddress: Uint8Array | undefined = undefined
  #boundTo: BackendId | undefined = undefined
  #isSecure = false
  /** When the request began, and when its present attempt did, had a stream, and got its response; NaN before. */
  #beganAt: Millis = NaN
  #attemptAt: Millis = NaN
  #readyAt: Millis = NaN
  #firstByteAt: Millis = NaN
  #retryAfterMs: Millis = NaN
  /** What the backend says that this request has cost. */
  #cost: Readonly<ResourceVector> | undefined
  /** The last attempt that has settled, for the record. */
  #settled: Attempt | undefined
  /** All of the moments are exact. */
  #isExact = false
  /** Backends that have failed it. */
  #tried: FleetBackend[] | undefined
  #idempotent = false
  /** It has credentials that count for the connection which they travel on. */
  #bindsConnection = false
  /** It may be written together with others: nothing follows its head, and it changes nothing. */
  #safe = false
  /** The request's head as it goes to any backend. */
  #requestHead: Buffer | undefined
  /** The client waits for the backend to ask for its body (RFC 9110 10.1.1). */
  #expectsContinue = false
  #requestEnded = false
  #status = 0
  #trailers = ""
  /** The client sends no more through the tunnel, and neither does the backend. */
  #clientEnded = false
  #backendEnded = false

  constructor(context: ExchangeContext, client: ClientStream) {
    this.#context = context
    this.#client = client
    this.#body = new RequestBody(context.budget, context.options.limits.replayBytesMax)
    this.#route = context.routes.at(0)
    this.#demand = this.#route.demand
    this.#origin = originOf(context.options.backends, client)
  }

  get isHolding(): boolean {
    return this.#client.isHolding
  }

  get isIdle(): boolean {
    return this.#state === "idle"
  }

  get isAnswerable(): boolean {
    return this.#state === "attempting" || this.#state === "queued" || this.#state === "collecting"
  }

  // ── the client's side ─────────────────────────────────────────────────────────────────────────────────────────

  begin(head: MessageHead, hasBody: boolean, origin: RequestOrigin): void {
    const context = this.#context
    const client = this.#client
    context.counters.count(context.worker, "requests")
    this.isHead = head.method === "HEAD"
    this.takesChunks = client.takesChunks
    this.takesTrailers = client.takesTrailers
    this.upgrades = head.upgrade
    this.#idempotent = isIdempotent(head.method)
    this.#safe = !hasBody && !head.upgrade && isSafe(head.method)
    this.#expectsContinue = head.expectsContinue
    this.#bindsConnection = head.bindsConnection
    if (head.bindsConnection) this.#origin ??= new Origin()
    this.#requestEnded = !hasBody
    this.#tried = undefined
    this.#body.begin(hasBody)
    this.#route = context.routes.of(head)
    this.#forgetMoments()
    this.#beganAt = context.fleet.now(this.#route.group)
    this.#demand = context.weigher.weigh(head, hasBody, this.#route, origin)
    this.#stick(head, origin)
    this.#requestHead = client.keepHead(head, context.askLine + context.weigher.lines)
    if (hasBody && this.#collects(head)) {
      this.#state = "collecting"
      client.resume()
    } else this.#start(this.#beganAt)
  }

  onRequestBody(body: BodyPieces): void {
    this.#expectsContinue = false
    for (let i = 0; i < body.outputCount; i++) {
      const slice = body.output[i]!
      this.#body.add(slice)
      if (this.#ready && !this.#stream!.write(slice)) this.#client.pause()
    }
    if (this.#state === "collecting") {
      if (this.#body.collect()) return
      this.#endCollecting()
      if (!this.isAnswerable) return
    }
    if (!this.#body.isLarge) return
    if (this.#ready) this.#body.drop()
    // No backend takes the body yet: it waits where it is, and the client with it.
    else this.#client.pause()
  }

  onRequestEnd(): void {
    this.#requestEnded = true
    if (this.#state === "collecting") this.#endCollecting()
    else if (this.#ready) this.#stream!.end()
  }

  onFailed(code: ErrorCode): void {
    const answerable = this.isAnswerable
    this.#leaveQueue()
    const now = this.#release("ignored")
    if (answerable) this.#answer(code, "", now)
    else this.#cut(code, now)
  }

  onClientDrain(): void {
    this.#stream?.resume()
  }

  onClientGone(): void {
    if (this.#state !== "idle") {
      // A client may leave a tunnel when it likes.
      const code = this.#state === "tunnel" ? undefined : "client_gone"
      this.#leaveQueue()
      // Says nothing about the backend.
      const now = this.#release("ignored")
      this.#leave("gone", code, this.#status, now)
    }
    this.#origin?.close()
    this.#context.onExchangeGone(this)
  }

  onClientBytes(bytes: Buffer): void {
    if (!this.#stream!.write(bytes)) this.#client.pause()
  }

  onClientEnd(): void {
    this.#clientEnded = true
    if (this.#backendEnded) this.#endTunnel()
    else this.#stream!.endTunnel()
  }

  onRefused(code: ErrorCode): void {
    this.#leaveUnbegun("refused", code, errors[code].status)
  }

  onOwnResponse(status: number): void {
    this.#context.counters.count(this.#context.worker, "requests")
    this.#leaveUnbegun("own", undefined, status)
  }

  // ── the queue ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** There may be room now. False while there is none. */
  retryQueued(): boolean {
    if (this.#state !== "queued") return true
    this.#renewRoute()
    return this.#place(this.#context.fleet.now(this.#route.group))
  }

  giveUpQueued(code: ErrorCode): void {
    this.#queue = undefined
    if (this.#state === "queued") this.#answer(code, "", this.#context.fleet.now(this.#route.group))
  }

  // ── when connections are short ────────────────────────────────────────────────────────────────────────────────

  get clientKey(): string {
    return clientKeyOf(this.#clientAddress)
  }

  get heldPool(): BackendPool | undefined {
    return this.#stream === undefined ? undefined : (this.#attempt!.backend as FleetBackend).pool
  }

  get isHeldUp(): boolean {
    const stream = this.#stream
    if (stream === undefined || !this.#ready || this.#state === "tunnel") return false
    if (stream.isPaused) return true
    return !(this.#requestEnded || this.#expectsContinue || stream.isBehind)
  }

  get isSlow(): boolean {
    const stream = this.#stream
    if (stream === undefined || !this.isHeldUp) return false
    if (stream.isPaused) return stream.pausedMs >= unreadMs
    const heldMs = this.#context.clock.now() - this.#attemptAt
    return heldMs >= graceMs && this.#body.bytes < (heldMs / 1_000) * slowBytesPerSecond
  }

  get heldSince(): Millis {
    return this.#attemptAt
  }

  get waitsIn(): Group | undefined {
    return this.#state === "queued" ? this.#route.group : undefined
  }

  reclaim(): void {
    this.onFailed("connection_reclaimed")
  }

  goAhead(): void {
    this.#leaveQueue()
    this.retryQueued()
  }

  // ── the backend's side ────────────────────────────────────────────────────────────────────────────────────────

  onBackendReady(stream: BackendStream): void {
    this.#ready = true
    if (Number.isNaN(this.#readyAt)) this.#readyAt = this.#context.fleet.now(this.#route.group)
    const body = this.#body
    if (!body.isKept) stream.send(this.#requestHead!, false)
    else {
      stream.cork()
      stream.send(this.#requestHead!, true)
      body.writeFirst(stream, this.#requestEnded)
      stream.uncork()
    }
    if (body.isLeft) return
    if (this.#requestEnded) stream.end()
    else if (!stream.isBehind) this.#client.resume()
  }

  onBackendDrain(): void {
    const body = this.#body
    if (body.isLeft && this.#stream !== undefined) {
      body.writeOn(this.#stream, this.#requestEnded)
      if (!body.isLeft) this.#stream.end()
      return
    }
    if (this.#state === "tunnel" || !this.#requestEnded) this.#client.resume()
  }

  onInterim(head: MessageHead): void {
    this.#expectsContinue = false
    this.#client.interim(head)
    if (this.#client.isBehind) this.#stream?.pause()
  }

  onWholeResponse(head: MessageHead, bytes: Buffer, from: number, to: number): boolean {
    return this.#client.respondWhole(head, this.#beginResponse(head), bytes, from, to)
  }

  onResponseHead(head: MessageHead, body: BodyPieces): boolean {
    const passes = this.#client.respond(head, this.#beginResponse(head), body)
    if (this.#client.isBehind) this.#stream?.pause()
    return passes
  }

  onResponseBody(body: BodyPieces): void {
    if (!this.#client.write(body)) this.#stream?.pause()
  }

  onTrailers(section: string): void {
    this.#trailers = section
    this.#report(reportInTrailers(section, this.#context.options.resources))
  }

  onResponseEnd(): void {
    this.#client.end(this.#trailers)
    this.#stream = undefined
    const now = this.#release(this.#status >= 500 ? "failure" : "success")
    this.#leave("complete", undefined, this.#status, now)
    this.#client.release()
  }

  onTunnel(head: MessageHead, bytes: Buffer, from: number, to: number): void {
    this.onWholeResponse(head, bytes, from, to)
    this.#state = "tunnel"
    this.#clientEnded = false
    this.#backendEnded = false
    this.#client.beginTunnel()
  }

  onBackendBytes(bytes: Buffer): void {
    if (!this.#client.writeTunnel(bytes)) this.#stream?.pause()
  }

  onBackendEnd(): void {
    this.#backendEnded = true
    if (this.#clientEnded) this.#endTunnel()
    else this.#client.endTunnel()
  }

  onBackendFailed(stream: BackendStream, code: ErrorCode, detail: string): void {
    const backend = this.#attempt!.backend as FleetBackend
    this.#stream = undefined
    if (this.#state === "responding" || this.#state === "tunnel") {
      this.#cut(code, this.#release("failure"))
      return
    }
    // A backend may close an idle connection whenever it likes: only a fresh one says something about it.
    const stale = code === "backend_reset" && stream.isReused && !stream.hasAnswered
    const repeats = this.#mayRepeat(code, stream)
    if (stale && repeats && !backend.pool.isRetired && backend.pool.hasRoom) {
      // The same attempt on a fresh connection. Other idle ones may be dead too, but each says so by itself.
      this.#connect(backend.pool.dial(this.#origin))
      return
    }
    if (isUnreachable(code)) {
      backend.avoidUntil = this.#context.clock.now() + avoidMs
      this.#context.onConnectFailed(backend.id)
    }
    const retries = repeats && this.#attempts < this.#context.options.limits.attemptsMax
    const blameless = stale || errors[code].source !== "backend"
    const now = this.#release(blameless ? "ignored" : "failure", retries)
    if (!retries) {
      this.#answer(code, detail, now)
      return
    }
    this.#tried ??= []
    this.#tried.push(backend)
    this.#renewRoute()
    this.#place(this.#context.fleet.now(this.#route.group), code, detail)
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing is known yet of a request but that it is there. */
  #forgetMoments(): void {
    this.#attempts = 0
    this.#status = 0
    this.#beganAt = NaN
    this.#attemptAt = NaN
    this.#readyAt = NaN
    this.#firstByteAt = NaN
    this.#isExact = this.#route.group.measures
  }

  /** Whether the body is read whole first. A client that expects 100 has to be asked for it (RFC 9110 10.1.1). */
  #collects(head: MessageHead): boolean {
    const { collectedBytesMax } = this.#context.options.limits
    return head.contentLength > 0 && head.contentLength <= collectedBytesMax && !head.expectsContinue
  }

  /** All of the body is here, or there is no room for more of it. */
  #endCollecting(): void {
    this.#renewRoute()
    this.#start(this.#context.fleet.now(this.#route.group))
  }

  /** Asks for a backend, behind those that wait for one. */
  #start(now: Millis): void {
    const { queue } = this.#route.group
    if (queue.length === 0) {
      this.#place(now)
      return
    }
    if (!this.#context.fleet.couldHold(this.#demand, this.#route.group)) {
      this.#answer("no_backend_fits", "", now)
      return
    }
    // Small requests would keep a large one waiting for ever: whether this one may pass, the queue says.
    this.#wait(now)
    queue.serveNew()
  }

  /** What the request sticks to. */
  #stick(head: MessageHead, origin: RequestOrigin): void {
    const { affinity } = this.#route
    this.#clientAddress = origin.clientBytesOf(head)
    this.#affinityHash = undefined
    this.#boundTo = undefined
    if (affinity === undefined) return
    if (affinity.kind !== "cookie") {
      const client = affinity.kind === "address" ? origin.clientOf(head) : undefined
      this.#affinityHash = affinityHashOf(affinity, head, client)
      return
    }
    this.#boundTo = this.#context.bindings.boundBy(head, affinity.name)
    this.#isSecure = origin.isSecure(head)
  }

  /** Groups may have been replaced since the request came, or since its last attempt. */
  #renewRoute(): void {
    this.#route = this.#context.routes.at(this.#route.number)
    if (!this.#route.group.measures) this.#isExact = false
  }

  /**
   * Finds a backend, or a place in the queue, or answers. `after` is what ended the attempt before. False when the
   * request waits; after an answer the exchange may carry the client's next one already.
   */
  #place(now: Millis, after?: ErrorCode, detail = ""): boolean {
    const { fleet, placement } = this.#context
    const route = this.#route
    placement.assign(this.#demand, route.number, this.#tried, now)
    const known = this.#origin?.knownBackend(route.group.eligible)
    placement.stick(this.#affinityHash, this.#clientAddress, this.#boundTo, known)
    const placed = fleet.place(placement, route.group)
    if (typeof placed === "object") {
      this.#state = "attempting"
      this.#queue = undefined
      this.#attempt = placed
      this.#attemptAt = now
      this.#firstByteAt = NaN
      this.#retryAfterMs = NaN
      this.#cost = undefined
      this.#status = 0
      this.#attempts++
      this.#connect(this.#take((placed.backend as FleetBackend).pool))
      return true
    }
    if (after !== undefined) this.#answer(after, detail, now)
    else if (placed !== "full") this.#answer("no_backend", "", now)
    else if (!fleet.couldHold(this.#demand, route.group)) this.#answer("no_backend_fits", "", now)
    else {
      // Its route may have got another group since it began to wait.
      if (this.#queue !== route.group.queue) this.#wait(now)
      return false
    }
    return true
  }

  #wait(now: Millis): void {
    const { deadlines, options } = this.#context
    if (this.#state !== "queued") this.#queuedUntil = deadlines.timeAfter(options.timeouts.queueMs)
    this.#leaveQueue()
    this.#state = "queued"
    const { group, number } = this.#route
    if (group.queue.push(this, this.#queuedUntil, number, this.#demand.vector)) this.#queue = group.queue
    else this.#answer("queue_full", "", now)
  }

  #leaveQueue(): void {
    this.#queue?.remove(this)
    this.#queue = undefined
  }

  #take(pool: BackendPool): BackendStream {
    const depth = this.#context.options.limits.pipelinedMax
    return depth > 1 && this.#safe && this.#attempts === 1 && this.#origin === undefined
      ? pool.takeGathering(depth)
      : pool.take(this.#origin)
  }

  #connect(stream: BackendStream): void {
    this.#ready = false
    this.#body.rewind()
    this.#stream = stream
    if (this.#bindsConnection) stream.bindTo(this.#origin!)
    // On a connection that is open it is ready within this call.
    this.#readyAt = this.#attemptAt
    stream.start(this)
    if (!this.#ready) this.#readyAt = NaN
  }

  /** Whether the request may be sent again without the danger that it takes effect twice (RFC 9110 9.2.2). */
  #mayRepeat(code: ErrorCode, stream: BackendStream): boolean {
    const rule = errors[code].retry
    if (rule === "never") return false
    // A body that has begun to go out and was not kept cannot go out again.
    if (!this.#body.isWhole) return false
    return rule === "always" || !stream.hasTaken || (this.#idempotent && !stream.hasAnswered)
  }

  /** A final head has come; answers the field lines that are added to it. From here on we are responding. */
  #beginResponse(head: MessageHead): string {
    const { resources, response } = this.#context.options
    this.#state = "responding"
    this.#status = head.status
    this.#trailers = ""
    let added = head.dateField === -1 ? `Date: ${this.#context.httpDate()}\r\n` : ""
    const { affinity, group } = this.#route
    this.#firstByteAt = this.#context.fleet.now(group)
    if (head.bindsConnection) this.#stream!.bindTo((this.#origin ??= new Origin()))
    if (head.reportField !== -1) this.#report(reportIn(head, resources))
    if (head.status === 429 || head.status === 503) this.#retryAfterMs = retryAfterIn(head)
    if (affinity?.kind === "cookie") added += this.#bindingLines(affinity)
    added += this.#context.viaLines[head.minor]
    if (response.backendHeader) added += `X-Linebacker-Backend: ${this.#attempt!.backend.id}\r\n`
    return added
  }

  /**
   * A backend has said how it is, with this response: in its head, in its trailers or in both. How busy it is counts
   * each time. What the request has cost counts once, when all is said: of a resource that both name, what the trailers
   * say, as they know the whole response.
   */
  #report(report: LoadReport | undefined): void {
    const attempt = this.#attempt
    if (report === undefined || attempt === undefined) return
    const { fleet, observer } = this.#context
    const { group } = this.#route
    group.policy.onReport?.(attempt.backend, report, fleet.now(group))
    observer.load(attempt.backend.slot, report)
    const before = this.#cost
    const { requestCost } = report
    this.#cost =
      before === undefined ? requestCost : requestCost.map((cost, r) => (cost >= 0 ? cost : before[r]!))
  }

  /** What binds the client to the backend that answers it, unless it is bound to that already. */
  #bindingLines(affinity: AffinityOptions): string {
    const { id } = this.#attempt!.backend
    return id === this.#boundTo
      ? ""
      : bindingLines(affinity, this.#context.bindings.tokenOf(id), this.#isSecure)
  }

  #endTunnel(): void {
    this.#stream?.finish()
    this.#stream = undefined
    const now = this.#release("success")
    this.#leave("tunnel", undefined, this.#status, now)
    this.#client.release()
  }

  /** Ends the exchange with a response of our own. Nothing is under way at a backend any more. */
  #answer(code: ErrorCode, detail: string, now: Millis): void {
    this.#state = "idle"
    this.#queue = undefined
    this.#forget()
    this.#client.refuse(code, detail)
    this.#leave("failed", code, errors[code].status, now)
    this.#client.release()
  }

  /** Settles the attempt and lets go of its stream; answers the time. `continues`: another attempt follows. */
  #release(result: AttemptResult, continues = false): Millis {
    const attempt = this.#attempt
    const stream = this.#stream
    this.#attempt = undefined
    this.#stream = undefined
    this.#ready = false
    if (!continues) {
      this.#state = "idle"
      this.#forget()
    }
    stream?.reset(this)
    const { counters, fleet, worker } = this.#context
    const { group } = this.#route
    const now = fleet.now(group)
    if (attempt === undefined) return now
    if (result === "failure") counters.countFailure(worker, attempt.backend.slot)
    attempt.settle(result, now)
    this.#settled = attempt
    this.#tell(attempt, result, now)
    return now
  }

  /** Tells how the attempt went: the policy, and what learns from it. */
  #tell({ backend }: Attempt, result: AttemptResult, now: Millis): void {
    const { observer, outcome, placement } = this.#context
    const { group, number } = this.#route
    if (placement.hasSpace) group.queue.ended(number, this.#demand.vector)
    outcome.result = result
    outcome.status = this.#status
    const firstByteMs = this.#firstByteAt - this.#attemptAt
    outcome.isExact = group.measures
    outcome.firstByteMs = firstByteMs
    // How long a tunnel stayed open says nothing about the backend.
    outcome.totalMs = this.#status === 101 ? firstByteMs : now - this.#attemptAt
    outcome.retryAfterMs = this.#retryAfterMs
    outcome.route = number
    group.policy.onSettled?.(backend, outcome, now)
    observer.settled(backend.slot, number, outcome)
    if (this.#cost !== undefined) observer.cost(backend.slot, number, this.#cost, this.#body.bytes)
  }

  /** The one exit of a request that has begun. Its attempt has settled, and its stream may carry the next after this. */
  #leave(ending: RequestEnding, error: ErrorCode | undefined, status: number, now: Millis): void {
    const attempt = this.#settled
    this.#settled = undefined
    const { exit } = this.#context
    const { record } = exit
    record.ending = ending
    record.error = error
    record.status = status
    record.route = this.#route.number
    record.attempts = this.#attempts
    record.attempt = attempt
    record.bytesIn = this.#client.bytesIn
    record.bytesOut = this.#client.bytesOut
    record.beganAt = this.#beganAt
    record.placedAt = this.#attemptAt
    record.readyAt = this.#readyAt
    record.firstByteAt = this.#firstByteAt
    record.endedAt = now
    record.isExact = this.#isExact
    exit.leave()
  }

  /** The exit of one that could not begin. It has no route. */
  #leaveUnbegun(ending: RequestEnding, error: ErrorCode | undefined, status: number): void {
    const { fleet, routes } = this.#context
    this.#route = routes.at(0)
    this.#forgetMoments()
    this.#leave(ending, error, status, fleet.now(this.#route.group))
  }

  /** The response cannot be completed. */
  #cut(code: ErrorCode, now: Millis): void {
    this.#leave("cut", code, this.#status, now)
    this.#client.cut(code)
  }

  #forget(): void {
    this.#requestHead = undefined
    this.#body.forget()
  }
}

function originOf(options: BackendOptions, client: ClientStream): Origin | undefined {
  // Asking for both ends is a call into the system.
  if (options.proxyProtocol === "none") return undefined
  return new Origin(openingOf(options.proxyProtocol, client.ends))
}

/** Whether the backend could not even be connected to. */
function isUnreachable(code: ErrorCode): boolean {
  return errors[code].source === "backend" && errors[code].retry === "always"
}
