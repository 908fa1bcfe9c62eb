/**
 * Writes down what placers are asked and what comes of it, whatever they belong to: for the product and the simulator to
 * be held against each other.
 */
import assert from "node:assert/strict"
import type { TestContext } from "node:test"
import type { Millis } from "../../src/core/clock.ts"
import type { Knowledge } from "../../src/core/knowledge.ts"
import type { LoadReport } from "../../src/core/load-report.ts"
import { Observer } from "../../src/learning/observer.ts"
import type { Snapshot } from "../../src/membership/snapshot.ts"
import type { Site } from "../../src/placing/placed-backend.ts"
import { Placement } from "../../src/placing/placement.ts"
import { type Ending, Placer } from "../../src/placing/placer.ts"
import type { Outcome, Policy } from "../../src/policies/policy.ts"

/** What comes to a balancer from outside. A request's number is how many came before it. */
export type Input = { readonly at: Millis } & (
  | { readonly kind: "apply"; readonly snapshot: Snapshot }
  | { readonly kind: "learn"; readonly knowledge: Knowledge }
  | { readonly kind: "tick" | "serve" }
  | { readonly kind: "arrive"; readonly request: number; readonly route: number; readonly demand: number[] }
  | { readonly kind: "responded"; readonly request: number; readonly status: number }
  | { readonly kind: "report"; readonly request: number; readonly report: LoadReport }
  /** Not of an attempt that could not be connected: that fails by itself. */
  | { readonly kind: "settle"; readonly request: number; readonly ending: Ending }
)

export class Tape {
  /** A line for each thing that the placer was asked or has told, in order, with the accounts after it. */
  readonly lines: string[] = []
  readonly inputs: Input[] = []
  readonly #numbers = new Map<unknown, number>()
  #refused: unknown
  #arrived = 0
  #at: Millis = 0
  /** Calls within calls are no inputs: the placer, or what it calls, makes them by itself. */
  #depth = 0

  /** A call of a placer, or within one, as `run` makes it. Time does not go back. */
  call<R>(at: Millis, input: Input | undefined, run: () => R, told: (result: R) => string | undefined): R {
    assert.ok(at >= this.#at, `what came at ${this.#at} is followed by what came at ${at}`)
    this.#at = at
    if (input !== undefined && this.#depth === 0) this.inputs.push(input)
    this.#depth++
    const result = run()
    this.#depth--
    const line = told(result)
    if (line !== undefined) this.lines.push(`${at.toFixed(6)} ${line}`)
    return result
  }

  get now(): Millis {
    return this.#at
  }

  begin(placement: unknown): number {
    this.#numbers.set(placement, this.#arrived)
    return this.#arrived++
  }

  /** The attempt of this request could not be connected. */
  refuse(placement: unknown): void {
    this.#refused = placement
  }

  /** Whether that was the last that happened to it, before it settles. */
  hasRefused(placement: unknown): boolean {
    const isIt = this.#refused === placement
    this.#refused = undefined
    return isIt
  }

  numberOf(placement: unknown): number {
    return this.#numbers.get(placement)!
  }
}

/** Which tape all placers of this process write on, from now on until the test ends. */
export interface TapeDeck {
  tape: Tape
}

export function tapePlacers(t: TestContext): TapeDeck {
  const deck: TapeDeck = { tape: new Tape() }
  let accounts: () => string
  const around = <T extends object, K extends keyof T & string>(
    prototype: T,
    name: K,
    play: (self: T, run: () => Result<T[K]>, ...args: Arguments<T[K]>) => Result<T[K]>,
  ): void => {
    const original = Reflect.get(prototype, name) as (...args: unknown[]) => Result<T[K]>
    const taped = function (this: T, ...args: Arguments<T[K]>): Result<T[K]> {
      return play(this, () => Reflect.apply(original, this, args), ...args)
    }
    t.mock.method(prototype as Record<string, () => void>, name, taped)
  }
  /** Of something that the placer, or what it calls, does by itself. */
  const note = <R>(run: () => R, told: (result: R) => string | undefined, at = deck.tape.now): R =>
    deck.tape.call(at, undefined, run, told)
  const numberOf = (one: Placement<Site>): number => deck.tape.numberOf(one)

  const placer: Placer<Site> = Placer.prototype
  around(placer, "apply", (self, run, snapshot, at) => {
    accounts = () => accountsOf(self)
    const eligible = (): string =>
      self.groups[0]!.eligible.map(({ id, eligibleSince }) => `${id}:${eligibleSince}`).join()
    deck.tape.call(at, { kind: "apply", at, snapshot }, run, () => `members ${eligible()}`)
  })
  around(placer, "learn", (self, run, knowledge) => {
    const at = deck.tape.now
    const capacities = (): string => self.groups[0]!.eligible.map(({ capacity }) => capacity.join("/")).join()
    deck.tape.call(at, { kind: "learn", at, knowledge }, run, () => `learns ${capacities()}`)
  })
  for (const kind of ["tick", "serve"] as const) {
    around(placer, kind, (_, run, at) => deck.tape.call(at, { kind, at }, run, () => undefined))
  }
  around(placer, "arrive", (_, run, one, at) => {
    const request = deck.tape.begin(one)
    const { demand, route } = one
    const input: Input = { kind: "arrive", at, request, route, demand: [...demand.vector] }
    return deck.tape.call(
      at,
      input,
      run,
      (verdict) => `${request} of ${route}, ${demand.vector.join("/")}, arrives: ${verdict} ${accounts()}`,
    )
  })
  around(placer, "place", (_, run, one, at) =>
    note(
      run,
      (verdict) => {
        const on = verdict === "placed" ? ` on ${one.backend!.id}, attempt ${one.attempts}` : ""
        return `${numberOf(one)}: ${verdict}${on} ${accounts()}`
      },
      at,
    ),
  )
  around(placer, "leave", (_, run, one) => {
    const waited = one.place !== undefined
    note(run, () => (waited ? `${numberOf(one)} leaves ${accounts()}` : undefined))
  })
  around(placer, "report", (_, run, one, said, at) => {
    const request = numberOf(one)
    const report = {
      ...said,
      requestCost: said.requestCost.slice(),
      utilization: said.utilization.slice(),
    }
    const text = `${report.requestCost.join("/")} ${report.utilization.join("/")}`
    deck.tape.call(at, { kind: "report", at, request, report }, run, () => `${request} reports ${text}`)
  })
  around(placer, "refused", (_, run, one, at) => {
    deck.tape.refuse(one)
    const told = (): string =>
      `${numberOf(one)} refused by ${one.backend!.id} until ${one.backend!.avoidUntil}`
    note(run, told, at)
  })
  around(placer, "retry", (_, run, one) =>
    note(run, (retries) => `${numberOf(one)} ${retries ? "tries again" : "gives up"}`),
  )
  around(placer, "settle", (_, run, one, ending, at) => {
    const request = numberOf(one)
    const input: Input | undefined = deck.tape.hasRefused(one)
      ? undefined
      : { kind: "settle", at, request, ending }
    return deck.tape.call(
      at,
      input,
      run,
      (result) => `${request} settles on ${one.backend!.id}: ${result} ${accounts()}`,
    )
  })
  const placement: Placement<Site> = Placement.prototype
  around(placement, "responded", (self, run, status, at) => {
    const request = numberOf(self)
    const input: Input = { kind: "responded", at, request, status }
    deck.tape.call(at, input, run, () => `${request} gets ${status}`)
  })
  const observer: Observer = Observer.prototype
  around(observer, "settled", (_, run, slot, _route, outcome) =>
    note(run, () => `observer: slot ${slot}, ${wordsOf(outcome)}`),
  )
  around(observer, "load", (_, run, slot, { utilization }) =>
    note(run, () => `observer: slot ${slot} uses ${utilization.join("/")}`),
  )
  around(observer, "cost", (_, run, slot, route, cost, bytes) =>
    note(run, () => `observer: slot ${slot}, route ${route} cost ${cost.join("/")} for ${bytes} bytes`),
  )
  return deck
}

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never
type Result<F> = F extends (...args: never[]) => infer R ? R : never

/** What this policy is told of attempts is written down too. */
export function tapePolicy(deck: TapeDeck, policy: Policy): Policy {
  const onSettled = policy.onSettled?.bind(policy)
  policy.onSettled = (backend, outcome, now) => {
    deck.tape.call(
      now,
      undefined,
      () => onSettled?.(backend, outcome, now),
      () => `policy: ${backend.id}, ${wordsOf(outcome)}`,
    )
  }
  return policy
}

/** All but `isExact`: in the product it says which clock was read, and virtual time is exact by either. */
function wordsOf({ result, status, firstByteMs, totalMs, retryAfterMs, route }: Outcome): string {
  const times = [firstByteMs, totalMs, retryAfterMs].map((ms) => ms.toFixed(6)).join(" ")
  return `route ${route}, ${result} ${status} ${times}`
}

/** What every member carries, and how many requests wait. */
function accountsOf({ groups, placed }: Placer<Site>): string {
  const held = [...placed.values()].map(({ backend }) => {
    const { capacity, id, load } = backend
    return `${id} ${load.inFlight} ${[...capacity.keys()].map((r) => load.reserved(r)).join("/")}`
  })
  return `[${held.join(", ")}; ${groups[0]!.queue.length} wait]`
}
