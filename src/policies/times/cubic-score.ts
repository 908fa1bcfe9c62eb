// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import type { LoadReport } from "../../core/load-report.ts"
import type { LearnedLoad } from "./learned-load.ts"
import { carried, Places } from "../tools/places.ts"
import type { LoadMetric, Outcome } from "../policy.ts"

/**
 * How long a request would take, with a long queue punished by its cube.
 *
 *     score = R − S + q³·S        q = 1 + clients · in flight + Q
 *
 * R, S and Q are moving averages of response time, service time and queue length. The cube is so that a slow
 * backend is given a shorter queue than a fast one, but some; counting each attempt in flight once for every
 * client is so that many balancers do not all run to the same backend ("concurrency compensation").
 *
 * Averages start at 0, as in the original, so a backend costs nothing until its first response. Service time
 * and queue are what the backend says, in `named_metrics` `service_time_ms` and `queue`, with the response or
 * before. While it says nothing, S is R and Q is 0. Only successes count.
 *
 * Left out: the limit on each client's rate, cubic as well, by which the original holds requests back. That
 * would be a queue, and which request waits is not for a policy to say.
 *
 * @see Suresh, Canini, Schmid, Feldmann, "C3: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica
 * Selection", NSDI 2015. Elasticsearch's adaptive replica selection is this score as well.
 */
export class CubicScore implements LearnedLoad {
  readonly #gain: number
  readonly #clients: number
  readonly #places = new Places()
  /** By place: milliseconds and requests. */
  #response = new Float64Array(0)
  #service = new Float64Array(0)
  #queue = new Float64Array(0)
  /** By place: 1 when the backend has told its service time. */
  #tellsService = new Float64Array(0)

  constructor(gain: number, clients: number) {
    this.#gain = gain
    this.#clients = clients
  }

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#response = carried(this.#response, before, 0)
    this.#service = carried(this.#service, before, 0)
    this.#queue = carried(this.#queue, before, 0)
    this.#tellsService = carried(this.#tellsService, before, 0)
  }

  readonly metric: LoadMetric = (backend) => {
    const place = this.#places.inOrder(backend)
    const response = this.#response[place]!
    const service = this.#tellsService[place] === 1 ? this.#service[place]! : response
    const queue = 1 + this.#clients * backend.load.inFlight + this.#queue[place]!
    return response - service + queue * queue * queue * service
  }

  onSettled(backend: Backend, { result, firstByteMs }: Outcome): void {
    const place = this.#places.of(backend)
    if (place === -1 || result !== "success" || Number.isNaN(firstByteMs)) return
    this.#add(this.#response, place, firstByteMs)
  }

  onReport(backend: Backend, { namedMetrics }: LoadReport): void {
    const place = this.#places.of(backend)
    if (place === -1) return
    const service = namedMetrics.get("service_time_ms")
    const queue = namedMetrics.get("queue")
    if (service !== undefined && service >= 0) {
      this.#tellsService[place] = 1
      this.#add(this.#service, place, service)
    }
    if (queue !== undefined && queue >= 0) this.#add(this.#queue, place, queue)
  }

  #add(averages: Float64Array, place: number, value: number): void {
    averages[place] = this.#gain * value + (1 - this.#gain) * averages[place]!
  }
}
