/** Requests that wait for room, and which of them is next. `begun` and `ended` are hot: once per attempt each. */
import type { Backend } from "../core/backend.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import { dominantShare } from "./dominant-share.ts"
import { type Heaped, IndexedHeap } from "./indexed-heap.ts"

/** So many requests may be served past one that does not fit before all wait for it. */
const passedMaxDefault = 64

/** A place in the queue. For what waits it is only a name for it. */
export class QueuePlace<T> implements Heaped {
  /** In the heap of deadlines. */
  at = -1
  readonly queue: FairQueue<T>
  readonly item: T
  readonly key: string
  readonly route: WaitingRoute<T>
  readonly demand: Readonly<ResourceVector>
  readonly until: Millis
  /** Of all that have ever been pushed. */
  readonly order: number
  previous: QueuePlace<T> | undefined = undefined
  next: QueuePlace<T> | undefined = undefined
  /** How many had been served when it first did not fit. */
  passedSince: number | undefined = undefined

  /** For `FairQueue.push` only. */
  constructor(
    queue: FairQueue<T>,
    item: T,
    key: string,
    route: WaitingRoute<T>,
    demand: Readonly<ResourceVector>,
    until: Millis,
    order: number,
  ) {
    this.queue = queue
    this.item = item
    this.key = key
    this.route = route
    this.demand = demand
    this.until = until
    this.order = order
  }

  /** Whether it still waits. */
  get isWaiting(): boolean {
    return this.at !== -1
  }
}

/** The requests of one route that wait, in order of arrival, and what the route has and has had. */
class WaitingRoute<T> implements Heaped {
  /** In the heap of routes that may be next. */
  at = -1
  /** In the list of routes whose head did not fit. */
  refusedAt = -1
  head: QueuePlace<T> | undefined = undefined
  tail: QueuePlace<T> | undefined = undefined
  weight = 1
  inFlight = 0
  /** Demand of its attempts in flight. */
  readonly held: ResourceVector
  /** Weighted dominant share in flight of the resources of space kind. */
  share = 0
  /** Virtual time at which its head may start. */
  start = 0

  constructor(resources: number) {
    this.held = new Float64Array(resources)
  }
}

/**
 * A bounded queue of requests that no backend has room for, fair by dominant share.
 *
 * Within a route it is first come, first served. Among routes the next is the one with
 * 1. the least dominant share of the fleet's spaces, in what its attempts hold now (DRF);
 * 2. on ties, and that is always where there are no spaces, the least virtual time (DRFQ): being served moves a route
 *    on by the seconds of the fleet's work that it takes of the rate it takes most of. A route that had nothing
 *    waiting starts at the time of those that had: what it did not use then is not saved up;
 * 3. then the one whose head has waited longest.
 * Shares and seconds are divided by the route's weight.
 *
 * A head that does not fit now is set aside until there is room again, and others are served past it. So that it does
 * not starve, no more than `passedMax` are: from then on it holds the line, no other is served until it is, or it
 * leaves, or its time is over. That costs the others about the time of one request in every `passedMax`. Only what an
 * idle member could hold may hold the line; what none ever can waits for its deadline and blocks only its own route.
 *
 * To use it: `push` a request that does not fit, and whenever there is room `roomFreed`, then for each `next` until
 * there is none either `take` or `refuse` it. After a `push` without new room the same loop asks the newcomer alone, if
 * its route has no other waiting. Routes are numbers from 0. What one thread holds is what it knows: with several
 * threads each is fair among its own. All O(log n), but `roomFreed` (O(refused routes)) and `rebuild`.
 *
 * @see Ghodsi, Sekar, Zaharia, Stoica, "Multi-Resource Fair Queueing for Packet Processing", SIGCOMM 2012 (DRFQ);
 * Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996, for the virtual time; `dominant-share.ts` for DRF.
 */
export class FairQueue<T> {
  readonly #resources: ResourceTable
  readonly #lengthMax: number
  readonly #passedMax: number
  readonly #routes: (WaitingRoute<T> | undefined)[] = []
  readonly #order = new IndexedHeap<WaitingRoute<T>>(isNextBefore)
  readonly #deadlines = new IndexedHeap<QueuePlace<T>>((one, other) => one.until < other.until)
  readonly #refused: WaitingRoute<T>[] = []
  #members: readonly Backend[] = []
  /** What the members have in all; in each 0 for the resources of the other kind. */
  readonly #spaces: ResourceVector
  readonly #rates: ResourceVector
  /** How many places each client has. */
  readonly #counts = new Map<string, number>()
  /** Requests have their turns just now, one after the other. Written by the caller that gives them. */
  isServing = false
  #pushed = 0
  #served = 0
  #virtualTime = 0
  #holder: QueuePlace<T> | undefined
  #holderIsRefused = false

  constructor(resources: ResourceTable, lengthMax: number, passedMax: number = passedMaxDefault) {
    this.#resources = resources
    this.#lengthMax = lengthMax
    this.#passedMax = passedMax
    this.#spaces = new Float64Array(resources.length)
    this.#rates = new Float64Array(resources.length)
  }

  get length(): number {
    return this.#deadlines.length
  }

  /** Cold: those that serve, of whose resources shares are taken. Until then all shares are 0. */
  rebuild(members: readonly Backend[]): void {
    this.#members = members
    for (const [r, { kind }] of this.#resources.entries()) {
      const total = members.reduce((sum, { capacity }) => sum + capacity[r]!, 0)
      this.#spaces[r] = kind === "space" ? total : 0
      this.#rates[r] = kind === "rate" ? total : 0
    }
    for (const route of this.#routes) if (route !== undefined) this.#share(route)
  }

  /** Cold: twice the weight is due twice the share. 1 unless told; > 0. */
  weigh(number: number, weight: number): void {
    const route = this.#routeOf(number)
    route.weight = weight
    this.#share(route)
  }

  /** Hot: an attempt of this route holds this demand from now on. For all attempts, of those that waited or not. */
  begun(number: number, demand: Readonly<ResourceVector>): void {
    const route = this.#routeOf(number)
    route.inFlight++
    for (let r = 0; r < demand.length; r++) route.held[r] = route.held[r]! + demand[r]!
    this.#share(route)
  }

  /** Hot: it has settled. */
  ended(number: number, demand: Readonly<ResourceVector>): void {
    const route = this.#routeOf(number)
    route.inFlight--
    // Sums of fractions do not come down to exactly nothing by themselves.
    if (route.inFlight === 0) route.held.fill(0)
    else for (let r = 0; r < demand.length; r++) route.held[r] = Math.max(0, route.held[r]! - demand[r]!)
    this.#share(route)
  }

  /**
   * Undefined when the queue is full. `demand` must stay as it is while it waits; `key` is its client's, see
   * `lastOfRichest`. Allocates its place.
   */
  push(
    item: T,
    number: number,
    demand: Readonly<ResourceVector>,
    until: Millis,
    key = "",
  ): QueuePlace<T> | undefined {
    if (this.length >= this.#lengthMax) return undefined
    const route = this.#routeOf(number)
    const place = new QueuePlace(this, item, key, route, demand, until, this.#pushed++)
    this.#deadlines.add(place)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    place.previous = route.tail
    if (route.tail !== undefined) route.tail.next = place
    route.tail = place
    if (route.head === undefined) {
      route.head = place
      route.start = Math.max(route.start, this.#virtualTime)
      this.#order.add(route)
    }
    return place
  }

  /** There may be room for those that were refused. */
  roomFreed(): void {
    this.#holderIsRefused = false
    for (let route = this.#refused.pop(); route !== undefined; route = this.#refused.pop()) {
      route.refusedAt = -1
      this.#order.add(route)
    }
  }

  /**
   * The request that should be tried now: `take` or `refuse` it. Undefined when none is left that has not been refused.
   */
  next(): QueuePlace<T> | undefined {
    if (this.#holder !== undefined) return this.#holderIsRefused ? undefined : this.#holder
    return this.#order.first?.head
  }

  /** It has been served. What it holds is told by `begun`, like that of all others. */
  take(place: QueuePlace<T>): void {
    const { route } = place
    this.#served++
    this.#virtualTime = Math.max(this.#virtualTime, route.start)
    route.start += dominantShare(place.demand, this.#rates) / route.weight
    this.remove(place)
  }

  /** There is no room for the one that is next. */
  refuse(place: QueuePlace<T>): void {
    if (place === this.#holder) {
      this.#holderIsRefused = true
      return
    }
    const { route } = place
    this.#order.remove(route)
    if (route.refusedAt === -1) {
      route.refusedAt = this.#refused.length
      this.#refused.push(route)
    }
    place.passedSince ??= this.#served
    if (this.#holder !== undefined || this.#served - place.passedSince < this.#passedMax) return
    if (this.#couldHold(place.demand)) {
      this.#holder = place
      this.#holderIsRefused = true
    } else place.passedSince = this.#served
  }

  /** It leaves, served or not. Nothing when it has left before. */
  remove(place: QueuePlace<T>): void {
    if (!place.isWaiting) return
    this.#deadlines.remove(place)
    this.#uncount(place.key)
    if (place === this.#holder) this.#holder = undefined
    const { route, previous, next } = place
    if (next === undefined) route.tail = previous
    else next.previous = previous
    if (previous !== undefined) {
      previous.next = next
      return
    }
    route.head = next
    // Another head is another request, which may fit where this one did not.
    this.#order.remove(route)
    this.#forgive(route)
    if (next !== undefined) this.#order.add(route)
  }

  /** One whose time is over, the one that is most overdue. It waits until it is removed. */
  expired(now: Millis): QueuePlace<T> | undefined {
    const { first } = this.#deadlines
    return first !== undefined && first.until <= now ? first : undefined
  }

  /** The one that leaves first by its deadline, whatever the time. For emptying the queue. */
  get first(): QueuePlace<T> | undefined {
    return this.#deadlines.first
  }

  /**
   * Cold, for a full queue: the last place of the client that has most, if a client with this key would still have fewer
   * with one more. Undefined when none has so many.
   */
  lastOfRichest(key: string): QueuePlace<T> | undefined {
    let most = (this.#counts.get(key) ?? 0) + 1
    let richest: string | undefined
    for (const [other, count] of this.#counts) {
      if (count <= most) continue
      most = count
      richest = other
    }
    return richest === undefined ? undefined : this.#lastOf(richest)
  }

  #lastOf(key: string): QueuePlace<T> | undefined {
    let last: QueuePlace<T> | undefined
    for (const route of this.#routes) {
      for (let place = route?.head; place !== undefined; place = place.next) {
        if (place.key === key && (last === undefined || place.order > last.order)) last = place
      }
    }
    return last
  }

  #uncount(key: string): void {
    const count = this.#counts.get(key)! - 1
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }

  #routeOf(number: number): WaitingRoute<T> {
    return (this.#routes[number] ??= new WaitingRoute<T>(this.#resources.length))
  }

  #share(route: WaitingRoute<T>): void {
    route.share = dominantShare(route.held, this.#spaces) / route.weight
    this.#order.moved(route)
  }

  #forgive(route: WaitingRoute<T>): void {
    const { refusedAt } = route
    if (refusedAt === -1) return
    route.refusedAt = -1
    const last = this.#refused.pop()!
    if (last === route) return
    this.#refused[refusedAt] = last
    last.refusedAt = refusedAt
  }

  /** Whether a member would have the space if it were idle. */
  #couldHold(demand: Readonly<ResourceVector>): boolean {
    return this.#members.some(({ capacity }) =>
      this.#resources.every(({ kind }, r) => kind === "rate" || demand[r]! <= capacity[r]!),
    )
  }
}

function isNextBefore<T>(one: WaitingRoute<T>, other: WaitingRoute<T>): boolean {
  if (one.share !== other.share) return one.share < other.share
  if (one.start !== other.start) return one.start < other.start
  return one.head!.order < other.head!.order
}
