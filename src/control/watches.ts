/**
 * Which backends are asked a question again and again, beside traffic: one at a time for each backend, all of them
 * within a limit. Asking begins with a registration and ends with it; a response that comes after that belongs to
 * another registration and is dropped.
 */
import type { Member, Snapshot } from "../membership/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { Clock, Millis } from "../core/clock.ts"
import { type Destination, destinationOf } from "../proxy/backends/dial.ts"
import type { Timers } from "../system.ts"

/** One registration of a backend. Only `Watches` writes it. */
export class Watch {
  readonly id: BackendId
  readonly generation: number
  readonly destination: Destination
  /** How it is checked; undefined: as all are. */
  check: Member["check"]
  /** When it was last asked. */
  askedAt: Millis = -Infinity
  /** When it is asked next; Infinity while it is being asked. */
  dueAt: Millis = Infinity
  /** Ends the question that it is being asked. */
  asking: AbortController | undefined
  cancelTimer: (() => void) | undefined

  constructor(member: Member) {
    this.id = member.id
    this.generation = member.generation
    this.destination = destinationOf(member)
    this.check = member.check
  }
}

/** What is asked, and when. */
export interface Asker<Answer> {
  /** Questions at one time. */
  readonly concurrentMax: number
  /** How long after its registration a backend is asked first. */
  firstMs(): Millis
  /** Never rejects. `signal` ends it early. */
  ask(watch: Watch, signal: AbortSignal): Promise<Answer>
  /** Schedules the next question, or none. */
  answered(watch: Watch, answer: Answer): void
  /** Its turn came while as many as may be were being asked; schedules another. */
  crowded(watch: Watch): void
}

/** After a bug in what is asked or done with a response, the backend is asked again after this long. */
const brokenMs: Millis = 1_000

export class Watches<Answer> {
  readonly #asker: Asker<Answer>
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #onBug: (error: unknown) => void
  readonly #watches = new Map<BackendId, Watch>()
  #asked = 0
  #isClosed = false

  /** @param onBug told of what `asker` throws; without it that counts as not handled */
  constructor(asker: Asker<Answer>, clock: Clock, timers: Timers, onBug: (error: unknown) => void = rethrow) {
    this.#asker = asker
    this.#clock = clock
    this.#timers = timers
    this.#onBug = onBug
  }

  /**
   * Takes a new membership: asking begins for a backend that is new or has registered anew, and ends for one that has
   * gone.
   */
  follow({ members }: Snapshot): void {
    if (this.#isClosed) return
    const present = new Set<BackendId>()
    for (const member of members) {
      present.add(member.id)
      const watch = this.#watches.get(member.id)
      if (watch?.generation === member.generation) watch.check = member.check
      else this.#begin(member)
    }
    for (const id of this.#watches.keys()) if (!present.has(id)) this.#end(id)
  }

  get(id: BackendId): Watch | undefined {
    return this.#watches.get(id)
  }

  /** In the place of what was scheduled before. */
  schedule(watch: Watch, ms: Millis): void {
    watch.cancelTimer?.()
    watch.dueAt = this.#clock.now() + ms
    watch.cancelTimer = this.#timers.set(ms, () => void this.#ask(watch), { unref: true })
  }

  close(): void {
    this.#isClosed = true
    for (const id of this.#watches.keys()) this.#end(id)
  }

  #begin(member: Member): void {
    this.#end(member.id)
    const watch = new Watch(member)
    this.#watches.set(member.id, watch)
    this.schedule(watch, this.#asker.firstMs())
  }

  #end(id: BackendId): void {
    const watch = this.#watches.get(id)
    this.#watches.delete(id)
    watch?.cancelTimer?.()
    watch?.asking?.abort()
  }

  async #ask(watch: Watch): Promise<void> {
    watch.cancelTimer = undefined
    try {
      if (this.#asked >= this.#asker.concurrentMax) {
        this.#asker.crowded(watch)
        return
      }
      const answer = await this.#answerOf(watch)
      if (this.#isCurrent(watch)) this.#asker.answered(watch, answer)
    } catch (error) {
      // Nothing else would ever ask this backend again.
      if (this.#isCurrent(watch)) this.schedule(watch, brokenMs)
      this.#onBug(error)
    }
  }

  async #answerOf(watch: Watch): Promise<Answer> {
    const controller = new AbortController()
    watch.asking = controller
    watch.askedAt = this.#clock.now()
    watch.dueAt = Infinity
    this.#asked++
    try {
      return await this.#asker.ask(watch, controller.signal)
    } finally {
      this.#asked--
      watch.asking = undefined
    }
  }

  #isCurrent(watch: Watch): boolean {
    return this.#watches.get(watch.id) === watch
  }
}

function rethrow(error: unknown): never {
  throw error
}
