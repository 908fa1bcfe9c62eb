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
import type { Choosing } from "../placing/choosing.ts"
import type { Group } from "../placing/group.ts"
import type { Demand } from "../placing/demand.ts"
import { type GivenUp, type Owner, Placement } from "../placing/placement.ts"
import type { Ending, Placer, PlaceVerdict } from "../placing/placer.ts"
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
import type { BackendPool } from "./backends/backend-pool.ts"
import { openingOf, Origin } from "./backends/origin.ts"
import type { ExchangeContext } from "./exchange-context.ts"
import { clientKeyOf, type Contender } from "./fair-share.ts"
import type { BackendOptions } from "../config/config.ts"
import { RequestBody } from "./request-body.ts"
import type { RequestEnding } from "./request-record.ts"
import { reportIn, reportInTrailers, retryAfterIn } from "./response-facts.ts"
import type { Route } from "./route-table.ts"
import { Stickiness } from "./stickiness.ts"

/** Where connections are short, bodies that have come slower than this on average give theirs up, after a while. */
const slowBytesPerSecond = 4_096
const graceMs = 2_000
/** And responses of which the client has taken nothing for so long. */
const unreadMs = 3_000

export class Exchange implements ClientEvents, BackendEvents, Contender, Owner<BackendPool> {
  isHead = false
  takesChunks = false
  takesTrailers = false
  upgrades = false
  readonly #context: ExchangeContext
  readonly #client: ClientStream
  readonly #placer: Placer<BackendPool>
  /** How far its request is with the placer, and the moments of its attempt. */
  readonly #placement: Placement<BackendPool>
  readonly #body: RequestBody
  /** Made when the client needs connections of its own: for the PROXY protocol at once, else with its credentials. */
  #origin: Origin | undefined

  #state: "idle" | "collecting" | "queued" | "attempting" | "responding" | "tunnel" = "idle"
  #stream: BackendStream | undefined
  /** The stream has said that it may be written to. */
  #ready = false
  #route: Route
  readonly #stickiness: Stickiness
  /** When the request began, and when its present attempt had a stream; NaN before. */
  #beganAt: Millis = NaN
  #readyAt: Millis = NaN
  /** All of the moments are exact. */
  #isExact = false
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
  #trailers = ""
  /** The client sends no more through the tunnel, and neither does the backend. */
  #clientEnded = false
  #backendEnded = false

  constructor(context: ExchangeContext, client: ClientStream) {
    this.#context = context
    this.#client = client
    this.#stickiness = new Stickiness(context.bindings)
    this.#body = new RequestBody(context.budget, context.options.limits.replayBytesMax)
    this.#route = context.routes.at(0)
    this.#placer = context.fleet.placer
    this.#placement = new Placement(this, this.#route.group, this.#route.demand)
    this.#origin = originOf(context.options.upstream, client)
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
    this.#body.begin(hasBody)
    const route = context.routes.of(head)
    this.#enter(route, context.weigher.weigh(head, hasBody, route, origin))
    this.#beganAt = context.fleet.now(route.group)
    this.#stickiness.read(head, route.affinity, origin)
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
    this.#placer.leave(this.#placement)
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
      this.#placer.leave(this.#placement)
      // Says nothing about the backend.
      const now = this.#release("ignored")
      this.#leave("gone", code, this.#placement.status, now)
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

  stick(choosing: Choosing<BackendPool>): void {
    this.#stickiness.write(choosing)
    choosing.preferred = this.#origin?.knownBackend(this.#route.group.eligible)
  }

  retryQueued(): boolean {
    if (this.#state !== "queued") return true
    this.#renewRoute()
    const now = this.#now()
    return this.#follow(this.#placer.place(this.#placement, now), now)
  }

  giveUpQueued(code: GivenUp): void {
    if (this.#state === "queued") this.#answer(code, "", this.#now())
  }

  // ── when connections are short ────────────────────────────────────────────────────────────────────────────────

  get clientKey(): string {
    return clientKeyOf(this.#stickiness.clientAddress)
  }

  get heldPool(): BackendPool | undefined {
    return this.#stream === undefined ? undefined : this.#placement.backend!.site
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
    const heldMs = this.#context.clock.now() - this.#placement.begunAt
    return heldMs >= graceMs && this.#body.bytes < (heldMs / 1_000) * slowBytesPerSecond
  }

  get heldSince(): Millis {
    return this.#placement.begunAt
  }

  get waitsIn(): Group<BackendPool> | undefined {
    return this.#state === "queued" ? this.#route.group : undefined
  }

  reclaim(): void {
    this.onFailed("connection_reclaimed")
  }

  goAhead(): void {
    this.#placer.leave(this.#placement)
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
    const now = this.#release("complete")
    this.#leave("complete", undefined, this.#placement.status, now)
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
    const { id, site } = this.#placement.backend!
    this.#stream = undefined
    if (this.#state === "responding" || this.#state === "tunnel") {
      this.#cut(code, this.#release("failure"))
      return
    }
    // A backend may close an idle connection whenever it likes: only a fresh one says something about it.
    const stale = code === "backend_reset" && stream.isReused && !stream.hasAnswered
    const repeats = this.#mayRepeat(code, stream)
    if (stale && repeats && !site.isRetired && site.hasRoom) {
      // The same attempt on a fresh connection. Other idle ones may be dead too, but each says so by itself.
      this.#connect(site.dial(this.#origin))
      return
    }
    if (isUnreachable(code)) {
      this.#placer.refused(this.#placement, this.#context.clock.now())
      this.#context.onConnectFailed(id)
    }
    const retries = repeats && this.#placer.retry(this.#placement)
    const blameless = stale || errors[code].source !== "backend"
    const now = this.#release(blameless ? "ignored" : "failure", retries)
    if (!retries) {
      this.#answer(code, detail, now)
      return
    }
    this.#renewRoute()
    const again = this.#now()
    if (this.#placer.place(this.#placement, again) === "placed") this.#attempt()
    else this.#answer(code, detail, again)
  }

  // ── within ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The time for placing and settling: see `Fleet.now`. */
  #now(): Millis {
    return this.#context.fleet.now(this.#route.group)
  }

  /** A request on this route: nothing is known yet of how it went. */
  #enter(route: Route, demand: Demand): void {
    this.#route = route
    this.#placement.begin(route.number, route.group, demand)
    this.#beganAt = NaN
    this.#readyAt = NaN
    this.#isExact = route.group.isExact
  }

  /** Whether the body is read whole first. A client that expects 100 has to be asked for it (RFC 9110 10.1.1). */
  #collects(head: MessageHead): boolean {
    const { collectedBytesMax } = this.#context.options.limits
    return head.contentLength > 0 && head.contentLength <= collectedBytesMax && !head.expectsContinue
  }

  /** All of the body is here, or there is no room for more of it. */
  #endCollecting(): void {
    this.#renewRoute()
    this.#start(this.#now())
  }

  /** Asks for a backend. Its turn in the queue may come within this call. */
  #start(now: Millis): void {
    this.#state = "queued"
    this.#follow(this.#placer.arrive(this.#placement, now), now)
  }

  /**
   * Goes on as the placer says: false when the request waits. After a response of our own the exchange may carry the
   * client's next request already.
   */
  #follow(verdict: PlaceVerdict, now: Millis): boolean {
    if (verdict === "waits") return false
    if (verdict === "placed") this.#attempt()
    else this.#answer(verdict, "", now)
    return true
  }

  /** The attempt that has begun goes to its backend. */
  #attempt(): void {
    this.#state = "attempting"
    this.#connect(this.#take(this.#placement.backend!.site))
  }

  /** Groups may have been replaced since the request came, or since its last attempt. */
  #renewRoute(): void {
    this.#route = this.#context.routes.at(this.#route.number)
    this.#placement.group = this.#route.group
    if (!this.#route.group.isExact) this.#isExact = false
  }

  #take(pool: BackendPool): BackendStream {
    const depth = this.#context.options.limits.pipelinedMax
    return depth > 1 && this.#safe && this.#placement.attempts === 1 && this.#origin === undefined
      ? pool.takeGathering(depth)
      : pool.take(this.#origin)
  }

  #connect(stream: BackendStream): void {
    this.#ready = false
    this.#body.rewind()
    this.#stream = stream
    if (this.#bindsConnection) stream.bindTo(this.#origin!)
    // On a connection that is open it is ready within this call.
    this.#readyAt = this.#placement.begunAt
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

  /** A final head has come; returns the field lines that are added to it. From here on we are responding. */
  #beginResponse(head: MessageHead): string {
    const { resources, response } = this.#context.options
    this.#state = "responding"
    this.#trailers = ""
    let added = head.dateField === -1 ? `Date: ${this.#context.httpDate()}\r\n` : ""
    const waits = head.status === 429 || head.status === 503 ? retryAfterIn(head) : undefined
    this.#placement.responded(head.status, this.#now(), waits)
    if (head.bindsConnection) this.#stream!.bindTo((this.#origin ??= new Origin()))
    if (head.reportField !== -1) this.#report(reportIn(head, resources))
    const { id } = this.#placement.backend!
    added += this.#stickiness.linesFor(id, this.#route.affinity) + this.#context.viaLines[head.minor]
    if (response.backendHeader) added += `X-Linebacker-Backend: ${id}\r\n`
    return added
  }

  /** A backend has said how it is, with this response. */
  #report(report: LoadReport | undefined): void {
    if (report !== undefined) this.#placer.report(this.#placement, report, this.#now())
  }

  #endTunnel(): void {
    this.#stream?.finish()
    this.#stream = undefined
    const now = this.#release("complete")
    this.#leave("tunnel", undefined, this.#placement.status, now)
    this.#client.release()
  }

  /** Ends the exchange with a response of our own. Nothing is under way at a backend any more. */
  #answer(code: ErrorCode, detail: string, now: Millis): void {
    this.#state = "idle"
    this.#forget()
    this.#client.refuse(code, detail)
    this.#leave("failed", code, errors[code].status, now)
    this.#client.release()
  }

  /** Settles the attempt and lets go of its stream; returns the time. `continues`: another attempt follows. */
  #release(ending: Ending, continues = false): Millis {
    const placement = this.#placement
    const stream = this.#stream
    this.#stream = undefined
    this.#ready = false
    if (!continues) {
      this.#state = "idle"
      this.#forget()
    }
    stream?.reset(this)
    const now = this.#now()
    if (!placement.runs) return now
    const { counters, worker } = this.#context
    const result = this.#placer.settle(placement, ending, now, this.#body.bytes)
    if (result === "failure") counters.countFailure(worker, placement.backend!.slot)
    return now
  }

  /** The one exit of a request that has begun. Its attempt has settled, and its stream may carry the next after this. */
  #leave(ending: RequestEnding, error: ErrorCode | undefined, status: number, now: Millis): void {
    const { exit } = this.#context
    const { record } = exit
    const placement = this.#placement
    record.ending = ending
    record.error = error
    record.status = status
    record.route = placement.route
    record.attempts = placement.attempts
    record.backend = placement.backend
    record.held = placement.held
    record.bytesIn = this.#client.bytesIn
    record.bytesOut = this.#client.bytesOut
    record.beganAt = this.#beganAt
    record.placedAt = placement.begunAt
    record.readyAt = this.#readyAt
    record.firstByteAt = placement.firstByteAt
    record.endedAt = now
    record.isExact = this.#isExact
    exit.leave()
    placement.forget()
  }

  /** The exit of one that could not begin. It has no route. */
  #leaveUnbegun(ending: RequestEnding, error: ErrorCode | undefined, status: number): void {
    const route = this.#context.routes.at(0)
    this.#enter(route, route.demand)
    this.#leave(ending, error, status, this.#now())
  }

  /** The response cannot be completed. */
  #cut(code: ErrorCode, now: Millis): void {
    this.#leave("cut", code, this.#placement.status, now)
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
