/** Requests of one thread that no backend has room for now: served by dominant share, bounded in number and time. */
import { FairQueue, type Place } from "./fair-queue.ts"
import type { Backend } from "../core/backend.ts"
import type { ErrorCode } from "../core/errors.ts"
import type { Millis } from "../core/clock.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"

/** Whoever waits. It may have left in the meantime: then it says true to `retryQueued` and nothing to the other. */
export interface Waiting {
  /** Whose request it is: see `clientKeyOf`. */
  readonly clientKey: string
  /** There may be room now. False while there is none; true after an answer, also when its next request waits already. */
  retryQueued(): boolean
  giveUpQueued(code: ErrorCode): void
}

const nothing = new Float64Array(0)

/**
 * Within a route it is first come, first served; `FairQueue` says which route is next, and how long others may pass a
 * request that does not fit. Without a table of resources, or as long as it knows no members, all shares are equal.
 */
export class WaitingQueue {
  readonly #queue: FairQueue<Waiting>
  readonly #places = new Map<Waiting, Place<Waiting>>()
  /** Whose each place is, in order of arrival, and how many places each client has. */
  readonly #keys = new Map<Place<Waiting>, string>()
  readonly #counts = new Map<string, number>()
  #isServing = false

  constructor(lengthMax: number, resources: ResourceTable = []) {
    this.#queue = new FairQueue(resources, lengthMax)
  }

  get length(): number {
    return this.#queue.length
  }

  /** Cold: those whose room is waited for. */
  rebuild(members: readonly Backend[]): void {
    this.#queue.rebuild(members)
  }

  /** Hot: an attempt of this route has begun, whether it has waited or not. */
  begun(route: number, demand: Readonly<ResourceVector>): void {
    this.#queue.begun(route, demand)
  }

  /** Hot: it has settled. */
  ended(route: number, demand: Readonly<ResourceVector>): void {
    this.#queue.ended(route, demand)
  }

  /**
   * False when the queue is full, and no client has more places in it than this one; else such a client loses its last.
   * `demand` must stay as it is while it waits.
   */
  push(waiting: Waiting, until: Millis, route = 0, demand: Readonly<ResourceVector> = nothing): boolean {
    const key = waiting.clientKey
    let place = this.#queue.push(waiting, route, demand, until, key)
    if (place === undefined && this.#displaceFor(key))
      place = this.#queue.push(waiting, route, demand, until, key)
    if (place === undefined) return false
    this.#places.set(waiting, place)
    this.#keys.set(place, key)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    return true
  }

  /** Gives room to those who are next as long as they fit; gives up those whose time is over. */
  serve(now: Millis): void {
    for (let late = this.#queue.expired(now); late !== undefined; late = this.#queue.expired(now)) {
      this.#leave(late)
      late.item.giveUpQueued("queue_timeout")
    }
    this.#queue.roomFreed()
    this.serveNew()
  }

  /**
   * After a push, where there is no new room: asks only those that have not been asked since there was. That is the
   * newcomer, unless somebody of its route waits before it or everybody waits for one that does not fit.
   */
  serveNew(): void {
    // Whoever is answered at once may begin its next request within its turn, and push it: this loop comes to that.
    if (this.#isServing) return
    this.#isServing = true
    for (let place = this.#queue.next(); place !== undefined; place = this.#queue.next()) {
      const isServed = place.item.retryQueued()
      // It may have left by itself within its turn.
      if (!place.isWaiting) continue
      if (!isServed) {
        this.#queue.refuse(place)
        continue
      }
      this.#queue.take(place)
      this.#forget(place)
    }
    this.#isServing = false
  }

  /** Whoever waits here has gone. */
  remove(waiting: Waiting): void {
    const place = this.#places.get(waiting)
    if (place !== undefined) this.#leave(place)
  }

  /** Nobody shall wait any longer. */
  giveUp(code: ErrorCode): void {
    for (let { first } = this.#queue; first !== undefined; { first } = this.#queue) {
      this.#leave(first)
      first.item.giveUpQueued(code)
    }
  }

  #leave(place: Place<Waiting>): void {
    this.#queue.remove(place)
    this.#forget(place)
  }

  #forget(place: Place<Waiting>): void {
    // It may wait again already, for its next request.
    if (this.#places.get(place.item) === place) this.#places.delete(place.item)
    const key = this.#keys.get(place)!
    this.#keys.delete(place)
    const count = this.#counts.get(key)! - 1
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }

  /** Cold: takes the last place of the client that has most, unless this one would have as many. */
  #displaceFor(key: string): boolean {
    let most = (this.#counts.get(key) ?? 0) + 1
    let richest: string | undefined
    for (const [other, count] of this.#counts) {
      if (count <= most) continue
      most = count
      richest = other
    }
    if (richest === undefined) return false
    let last: Place<Waiting> | undefined
    for (const [place, owner] of this.#keys) if (owner === richest) last = place
    this.#leave(last!)
    last!.item.giveUpQueued("queue_full")
    return true
  }
}
