/** The requests of a scenario as the load generator sends them: the same ones, in the same order, as the simulator's. */
import type { Millis } from "../core/clock.ts"
import { demandHeader } from "../core/resources.ts"
import { ArrivalProcess, streamOf } from "../sim/engine/arrivals.ts"
import { Declaring } from "../sim/engine/engine.ts"
import { meanOf } from "../sim/scenario/mean-of.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { demandOf, type RequestTemplate, type RequestList } from "../load/requests.ts"

export interface ScenarioLoad {
  readonly classes: readonly RequestTemplate[]
  readonly list: RequestList
  /** From here on requests count, real milliseconds from the start: when the first behind the warm-up is due. */
  readonly warmUpMs: Millis
  /** Just behind the last. */
  readonly durationMs: Millis
}

export interface ScenarioLoadInput {
  readonly scenario: Scenario
  /** Mean rate of arrivals in the scenario's time, requests per second. */
  readonly rate: number
  /** Requests in all, the warm-up included, at least 1. */
  readonly requests: number
  readonly seed: number
  /** How many seconds of the scenario pass in a real one, > 0. */
  readonly speed: number
}

/**
 * Draws the requests of one run: due times in real milliseconds, and for each class, on its own path `/<class>`, the
 * fields by which a demonstration backend knows what to do (`Compute`, `Storage`, …, `Hold`). Where the scenario's
 * requests declare their demand, each carries `Linebacker-Demand`; where the means are known, each says its class's.
 *
 * Cold: O(requests), all in memory at once. Throws RangeError as `ArrivalProcess`.
 */
export function scenarioLoad({ scenario, rate, requests, seed, speed }: ScenarioLoadInput): ScenarioLoad {
  const { classes, knowledge, resources } = scenario
  const arrivals = new ArrivalProcess(scenario, rate, seed)
  const columns = resources.length + 1
  const atMs = new Float64Array(requests)
  const kinds = new Uint16Array(requests)
  const amounts = new Float64Array(requests * columns)
  const declaring =
    knowledge.demand === "declared" ? new Declaring(classes, streamOf(seed, "errors")) : undefined
  const said = new Float64Array(declaring === undefined ? 0 : requests * resources.length)
  for (let i = 0; i < requests; i++) {
    arrivals.next()
    atMs[i] = arrivals.at / speed
    kinds[i] = arrivals.class
    amounts.set(arrivals.work, i * columns)
    amounts[i * columns + resources.length] = arrivals.holdMs > 0 ? arrivals.holdMs : NaN
    if (declaring === undefined) continue
    const row = said.subarray(i * resources.length, (i + 1) * resources.length)
    declaring.declare(arrivals.class, arrivals.work, row)
  }
  const names = resources.map(({ name }) => name)
  return {
    classes: classes.map((each): RequestTemplate => {
      const means = names.map((name) => (each.demand[name] === undefined ? 0 : meanOf(each.demand[name])))
      const known = knowledge.demand === "known"
      return {
        name: each.name,
        method: "GET",
        path: `/${each.name}`,
        fields: known ? [["Linebacker-Demand", demandOf(names, means, 0)]] : [],
        body: undefined,
        weight: each.share,
      }
    }),
    list: {
      atMs,
      kinds,
      names: [...names.map(demandHeader), "Hold"],
      amounts,
      declared: declaring === undefined ? undefined : { resources: names, amounts: said },
    },
    warmUpMs: atMs[Math.min(requests - 1, Math.floor(requests * scenario.warmUp))]!,
    durationMs: atMs[requests - 1]! + 1,
  }
}
