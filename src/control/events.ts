/** What a running balancer tells the program that it runs in. Cold. */
import type { Member, MemberState, Snapshot } from "../membership/snapshot.ts"

/** A backend has joined, left, or stands elsewhere than before. */
export interface MembershipEvent {
  /** Tells this event from the others. */
  readonly kind: "membership"
  /** The backend's id. */
  readonly id: string
  /** Which registration of this backend it is; grows with each. */
  readonly generation: number
  /** Where it stood before; undefined for one that has just joined. */
  readonly before: MemberState | undefined
  /** Where it stands now; undefined for one that has left. */
  readonly state: MemberState | undefined
  /** One sentence: why it is in this state, or was last. */
  readonly reason: string
}

/** Something in the balancer itself failed. It goes on: what has died is replaced. */
export interface FailureEvent {
  /** Tells this event from the others. */
  readonly kind: "failure"
  /** Which part failed, as the end of the sentence "a bug in …". */
  readonly where: string
  /** What was thrown, or an `Error` that says what was seen. Of another thread it is the text of its stack. */
  readonly error: unknown
}

/** The balancer was told to close: from now on it is not ready, and every response closes its connection. */
export interface StoppingEvent {
  /** Tells this event from the others. */
  readonly kind: "stopping"
}

/** All is closed; no other event follows. */
export interface StoppedEvent {
  /** Tells this event from the others. */
  readonly kind: "stopped"
}

/** Everything that a balancer tells; `kind` says which it is. */
export type BalancerEvent = MembershipEvent | FailureEvent | StoppingEvent | StoppedEvent

/** What can be listened to: events of one kind, or all of them by `event`. */
export type BalancerEventName = BalancerEvent["kind"] | "event"

/** The events that a name stands for. */
export type BalancerEventOf<Name extends BalancerEventName> = Name extends "event"
  ? BalancerEvent
  : Extract<BalancerEvent, { readonly kind: Name }>

export class Events {
  readonly #listeners = new Map<
    BalancerEventName,
    Set<{ readonly listener: (event: BalancerEvent) => void }>
  >()
  readonly #onThrow: (error: unknown, event: BalancerEvent) => void

  /** @param onThrow told of what a listener has thrown; the other listeners hear the event all the same */
  constructor(onThrow: (error: unknown, event: BalancerEvent) => void) {
    this.#onThrow = onThrow
  }

  /**
   * Calls `listener` with each such event from now on. Returns what ends that.
   *
   * @throws TypeError for what is no function: the mistake is in the call, not in what happens later.
   */
  on<Name extends BalancerEventName>(
    name: Name,
    listener: (event: BalancerEventOf<Name>) => void,
  ): () => void {
    if (typeof listener !== "function") throw new TypeError("expected a function that takes an event")
    // The same function may listen twice, and each time by itself.
    const entry = { listener: listener as (event: BalancerEvent) => void }
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(entry))
    return () => void listeners.delete(entry)
  }

  emit(event: BalancerEvent): void {
    for (const name of [event.kind, "event"] as const) {
      for (const { listener } of this.#listeners.get(name) ?? []) {
        try {
          listener(event)
        } catch (error) {
          this.#onThrow(error, event)
        }
      }
    }
  }
}

/** What has changed from one membership to the next: of those that left, then of those that are there. O(members). */
export function membershipEvents(before: Snapshot, after: Snapshot): MembershipEvent[] {
  const then = new Map(before.members.map((member) => [member.id, member]))
  const now = new Map(after.members.map((member) => [member.id, member]))
  return [
    ...before.members
      .filter(({ id }) => !now.has(id))
      .map((member) => membershipEvent(member, member.state, undefined)),
    ...after.members
      .filter((member) => hasMoved(then.get(member.id), member))
      .map((member) => membershipEvent(member, then.get(member.id)?.state, member.state)),
  ]
}

function hasMoved(before: Member | undefined, { state, generation }: Member): boolean {
  return before === undefined || before.state !== state || before.generation !== generation
}

function membershipEvent(
  { id, generation, reason }: Member,
  before: MemberState | undefined,
  state: MemberState | undefined,
): MembershipEvent {
  return { kind: "membership", id, generation, before, state, reason }
}
