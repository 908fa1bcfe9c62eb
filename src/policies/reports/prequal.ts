// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { Millis } from "../../core/clock.ts"
import type { Rng } from "../../core/rng.ts"
import type {
  Outcome,
  Parameter,
  PickRequest,
  Policy,
  PolicyContext,
  PolicyEntry,
  Prober,
} from "../policy.ts"
import { ProbePool } from "./probe-pool.ts"
import { SelfProber } from "./self-prober.ts"

const prequalParameters = {
  hotQuantile: {
    summary: "A backend is hot when it has more in flight than this quantile of those asked of late.",
    default: 0.84,
    min: 0,
    max: 1,
  },
  probesPerPick: {
    summary: "How many backends are asked with each pick, on average.",
    default: 3,
    min: 0,
    max: 16,
  },
  ageMs: {
    summary: "How long a response is good for, ms; one that takes longer to come is not waited for.",
    default: 1_000,
    min: 10,
    max: 60_000,
  },
} as const satisfies Record<string, Parameter>

/** Probes on their way at one time. While as many are, no backend is asked. */
const probesMax = 64
/** By how much responses must come in faster than they are used up. */
const surplus = 1
/** Responses taken out with each pick. */
const removedPerPick = 1

/** A probe to one backend. Kept and asked again, so that asking makes no closure. */
class PendingProbe {
  backend: Backend | undefined
  sentAt: Millis = 0
  readonly respond: (inFlight: number, latencyMs: Millis, now: Millis) => void

  constructor(onResponse: (probe: PendingProbe, inFlight: number, latencyMs: Millis, now: Millis) => void) {
    this.respond = (inFlight, latencyMs, now) => onResponse(this, inFlight, latencyMs, now)
  }
}

/**
 * Prequal: asks a few backends at random with each pick, and picks by the responses that earlier probes brought.
 *
 * A response says how many requests the backend has in flight and how long those took of late that had about as much
 * company. It goes to a pool of at most 16, one per backend, where it is good for a second and for a number of uses. A
 * backend with more in flight than the 0.84 quantile of late is hot. Of the cold ones the fastest is picked; when all
 * are hot, the one with the least in flight. So latency decides while load is ordinary, and load where it is not. The
 * response that was used counts one more in flight from then on, and with each pick one response leaves the pool, in
 * turns the oldest and the worst. With fewer than two in the pool, or none of a backend that the request admits, an
 * admitted one is picked at random.
 *
 * A response may be used as often as keeps the pool from running dry: (1 + 1) / ((1 − pool / members) · probes − 1)
 * times, at least once, the fraction by chance; any number of times where that bound has no meaning, with few members.
 * Where no backend can be asked (no `prober`), `SelfProber` responds at once. Its knowledge ends with this balancer, so
 * neighbours that the balancer does not see stay unseen, which is what Prequal is best at.
 *
 * O(probes + pool) per pick, independent of the number of members, unless it has to pick at random among few admitted
 * ones. Class-blind: it asks how a backend is and not what a request needs.
 *
 * @see Wydrowski, Kleinberg, Rumble, Archer, "Load is not what you should balance: Introducing Prequal", NSDI 2024
 * (arXiv 2312.10172). One response per backend in the pool is our addition; the paper's fleets are large enough not to
 * ask.
 */
export class Prequal implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "Probes some random backends for their load: the fastest of those that are not too busy, else the least busy.",
    make: (context) => new Prequal(context),
    parameters: prequalParameters,
    seesDemand: false,
  } as const satisfies PolicyEntry

  readonly name = "prequal"
  readonly #rng: Rng
  readonly #prober: Prober | undefined
  readonly #self: SelfProber | undefined
  readonly #ageMs: Millis
  readonly #probesPerPick: number
  readonly #pool: ProbePool
  /** A response: in flight, latency, when. */
  readonly #response = new Float64Array(3)
  readonly #onResponse = (probe: PendingProbe, inFlight: number, latencyMs: Millis, now: Millis): void => {
    this.#take(probe, inFlight, latencyMs, now)
  }
  /** Probes that are not in use, and those on their way. */
  readonly #idle: PendingProbe[] = []
  readonly #sent: PendingProbe[] = []
  /** Probes owed, a fraction. In an array, where a double is stored without an object around it. */
  readonly #owed = new Float64Array(1)
  #members: readonly Backend[] = []
  /** All places in some order, of which the first few are drawn anew with each pick. */
  #order = new Int32Array(0)

  constructor(context: PolicyContext) {
    const { parameters, prober, rng } = context
    this.#rng = rng
    this.#prober = prober
    this.#self = prober === undefined ? new SelfProber() : undefined
    this.#ageMs = parameters["ageMs"]!
    this.#probesPerPick = parameters["probesPerPick"]!
    this.#pool = new ProbePool(rng, parameters["hotQuantile"]!)
    for (let i = 0; i < probesMax; i++) this.#idle.push(new PendingProbe(this.#onResponse))
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#order = Int32Array.from(members, (_, place) => place)
    this.#self?.rebuild(members)
    const fresh = (1 - this.#pool.size / members.length) * this.#probesPerPick
    const uses = fresh > removedPerPick ? (1 + surplus) / (fresh - removedPerPick) : Infinity
    this.#pool.rebuild(members, Math.max(1, uses))
  }

  pick(request: PickRequest): Backend | undefined {
    const { now } = request
    this.#ask(now)
    const pool = this.#pool
    pool.expire(now - this.#ageMs)
    const picked = (pool.count < 2 ? undefined : pool.use(request)) ?? this.#atRandom(request)
    pool.removeOne()
    return picked
  }

  onBegun(backend: Backend, { now }: PickRequest): void {
    this.#self?.onBegun(backend, now)
  }

  onSettled(backend: Backend, outcome: Outcome, now: Millis): void {
    this.#self?.onSettled(backend, outcome, now)
  }

  /**
   * Gives up on probes without a response; others take their place, as a late response must not be taken for
   * theirs.
   */
  tick(now: Millis): void {
    const sent = this.#sent
    for (let i = sent.length - 1; i >= 0; i--) {
      if (now - sent[i]!.sentAt <= this.#ageMs) continue
      sent[i] = sent.at(-1)!
      sent.pop()
      this.#idle.push(new PendingProbe(this.#onResponse))
    }
  }

  /** Asks as many as are due, each of the members as likely as any other and none twice. */
  #ask(now: Millis): void {
    const count = this.#members.length
    const order = this.#order
    const owed = this.#owed[0]! + this.#probesPerPick
    const due = Math.min(Math.floor(owed), count)
    this.#owed[0] = owed % 1
    for (let i = 0; i < due; i++) {
      const other = i + this.#rng.below(count - i)
      const place = order[other]!
      order[other] = order[i]!
      order[i] = place
      this.#askOne(this.#members[place]!, now)
    }
  }

  #askOne(backend: Backend, now: Millis): void {
    if (this.#prober === undefined) {
      this.#response[2] = now
      this.#self!.respond(backend, this.#response)
      this.#pool.add(backend, this.#response)
      return
    }
    const probe = this.#idle.pop()
    if (probe === undefined) return
    probe.backend = backend
    probe.sentAt = now
    this.#sent.push(probe)
    this.#prober.probe(backend, probe.respond)
  }

  #take(probe: PendingProbe, inFlight: number, latencyMs: Millis, now: Millis): void {
    const sent = this.#sent
    const index = sent.indexOf(probe)
    // Too late, or a second response.
    if (index === -1) return
    sent[index] = sent.at(-1)!
    sent.pop()
    this.#idle.push(probe)
    if (!(inFlight >= 0 && latencyMs >= 0)) return
    this.#response[0] = inFlight
    this.#response[1] = latencyMs
    this.#response[2] = now
    this.#pool.add(probe.backend!, this.#response)
  }

  /** One of the admitted members, each as likely as any other. A few guesses first: mostly all are admitted. */
  #atRandom(request: PickRequest): Backend | undefined {
    const members = this.#members
    if (members.length === 0) return undefined
    for (let guess = 0; guess < 4; guess++) {
      const backend = members[this.#rng.below(members.length)]!
      if (request.admits(backend)) return backend
    }
    let picked: Backend | undefined
    let admitted = 0
    for (let i = 0; i < members.length; i++) {
      if (!request.admits(members[i]!)) continue
      admitted++
      if (this.#rng.below(admitted) === 0) picked = members[i]
    }
    return picked
  }
}
