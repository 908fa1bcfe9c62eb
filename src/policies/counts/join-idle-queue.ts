// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Rng } from "../../core/rng.ts"
import { Places } from "../tools/places.ts"
import type { Outcome, PickRequest, Policy, PolicyEntry } from "../policy.ts"
import { Random } from "../turns/random.ts"

/**
 * Backends queue when they have become idle, and a pick takes the one at the head; while none is idle, any
 * member at random. The work of finding an idle one is done when an attempt settles and not when a request
 * waits.
 *
 * Each thread has its own queue. A backend joins that of the thread that had its last attempt; at the start, and when
 * it becomes a member while idle, that of every thread. Others may load it while it queues, so the count of all threads
 * is looked at again when its turn comes: a backend that is busy by then leaves, and joins the queue of the thread that
 * makes it idle next. One that is not admitted goes to the end and stays. So no backend that is picked from the queue
 * was busy, though one may be idle and in no queue, after its thread died or a pick that came to nothing; a random pick
 * finds it then.
 *
 * Amortised O(1) per pick: each look at the queue drops one that had joined, or passes one that is not
 * admitted. Weight is not looked at.
 *
 * @see Lu, Xie, Kliot, Geller, Larus, Greenberg, "Join-Idle-Queue: A novel load balancing algorithm for
 * dynamically scalable web services", Performance Evaluation 68(11), 2011. There an idle server chooses the
 * dispatcher it joins at random (JIQ-Random); which thread has the last attempt is as random.
 */
export class JoinIdleQueue implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "The backend that has been idle for longest, or any at random while none is idle.",
    make: ({ rng }) => new JoinIdleQueue(rng),
    seesDemand: false,
    ignoresTimes: true,
  } as const satisfies PolicyEntry

  readonly name = "join-idle-queue"
  readonly #places = new Places()
  readonly #random: Random
  #members: readonly Backend[] = []
  /** A ring of places. None is in it twice, so it never overflows. */
  #queue = new Int32Array(0)
  #head = 0
  #length = 0
  /** By place: 1 when in the queue. */
  #isQueued = new Uint8Array(0)

  constructor(rng: Rng) {
    this.#random = new Random(rng)
  }

  rebuild(members: readonly Backend[]): void {
    const waiting = Array.from({ length: this.#length }, () => this.#members[this.#take()]!)
    const before = this.#places.rebuild(members)
    this.#random.rebuild(members)
    this.#members = members
    this.#queue = new Int32Array(members.length)
    this.#isQueued = new Uint8Array(members.length)
    this.#head = 0
    for (const backend of waiting) {
      const place = this.#places.of(backend)
      if (place >= 0) this.#join(place)
    }
    for (const [place, { load }] of members.entries()) {
      if (before[place] === -1 && load.inFlight === 0) this.#join(place)
    }
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    for (let looks = this.#length; looks > 0; looks--) {
      const place = this.#take()
      const backend = members[place]!
      if (backend.load.inFlight > 0) continue
      if (request.admits(backend)) return backend
      this.#join(place)
    }
    return this.#random.pick(request)
  }

  onSettled(backend: Backend, _outcome: Outcome): void {
    if (backend.load.inFlight > 0) return
    const place = this.#places.of(backend)
    if (place >= 0) this.#join(place)
  }

  #join(place: number): void {
    if (this.#isQueued[place] === 1) return
    this.#isQueued[place] = 1
    this.#queue[(this.#head + this.#length++) % this.#queue.length] = place
  }

  #take(): number {
    const place = this.#queue[this.#head]!
    this.#head = (this.#head + 1) % this.#queue.length
    this.#length--
    this.#isQueued[place] = 0
    return place
  }
}
