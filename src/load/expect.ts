/** What a run must reach, as a person writes it: `p99<50ms,errors<0.1%,rate>=900`. */
import { parseDuration } from "../text/duration.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { didYouMean } from "../text/suggest.ts"
import type { SpamResult } from "./result.ts"

export interface Expectation {
  /** As it was written. */
  readonly text: string
  readonly metric: Metric
  readonly comparison: Relation
  /** Milliseconds, a part of 1, or a plain number: as the metric has it. */
  readonly bound: number
}

export interface ExpectationResult {
  readonly expectation: Expectation
  /** Undefined where nothing was measured; then it does not hold. */
  readonly actual: number | undefined
  readonly holds: boolean
}

type Relation = "<" | "<=" | ">" | ">="

interface Row {
  readonly unit: "ms" | "part" | "number"
  read(result: SpamResult): number | undefined
}

const latency = (
  key: "min" | "mean" | "p50" | "p75" | "p90" | "p95" | "p99" | "p999" | "p9999" | "max",
): Row => ({
  unit: "ms",
  read: (result) => result.latency.fromIntended[key],
})

/** Everything that can be expected. Latencies are those from the intended time of sending. */
const metrics = {
  min: latency("min"),
  mean: latency("mean"),
  p50: latency("p50"),
  p75: latency("p75"),
  p90: latency("p90"),
  p95: latency("p95"),
  p99: latency("p99"),
  p999: latency("p999"),
  p9999: latency("p9999"),
  max: latency("max"),
  /** Failed requests and responses with 5xx, as a part of all counted ones. */
  errors: {
    unit: "part",
    read: ({ requests, statuses }) => {
      const all = requests.answered + requests.failed
      return all === 0 ? undefined : (requests.failed + countOf(statuses, 5)) / all
    },
  },
  /** Responses with 4xx or 5xx, as a part of all responses. */
  refusals: {
    unit: "part",
    read: ({ requests, statuses }) =>
      requests.answered === 0 ? undefined : (countOf(statuses, 4) + countOf(statuses, 5)) / requests.answered,
  },
  /** Responses per second. */
  rate: { unit: "number", read: ({ rate }) => rate.answered },
  /** Responses. */
  answers: { unit: "number", read: ({ requests }) => requests.answered },
  /** Jain's index of the responses by backend. */
  fairness: { unit: "number", read: ({ fairness }) => fairness },
} as const satisfies Record<string, Row>

export type Metric = keyof typeof metrics

const metricNames: readonly Metric[] = Object.keys(metrics) as Metric[]

/** Reads expectations separated by commas; the error is a sentence that names the part that is wrong. */
export function parseExpectations(text: string): Result<readonly Expectation[], string> {
  const expectations: Expectation[] = []
  for (const part of text.split(",")) {
    const [, name, comparison, value] = /^\s*([a-z0-9]+)\s*(<=|>=|<|>)\s*(\S+)\s*$/i.exec(part) ?? []
    if (name === undefined || value === undefined) {
      return fail(`expected something like p99<50ms or errors<0.1%, found "${part.trim()}"`)
    }
    if (!isMetric(name)) {
      return fail(
        `"${name}" is nothing that is measured; known are ${metricNames.join(", ")}${didYouMean(name, metricNames)}`,
      )
    }
    const bound = boundOf(value, metrics[name].unit)
    if (bound === undefined) return fail(`${name}: expected ${allowed[metrics[name].unit]}, found "${value}"`)
    expectations.push({ text: part.trim(), metric: name, comparison: comparison as Relation, bound })
  }
  return ok(expectations)
}

/** Whether what was measured is what was expected, one by one. */
export function verdictsOf(expectations: readonly Expectation[], result: SpamResult): ExpectationResult[] {
  return expectations.map((expectation) => {
    const actual = metrics[expectation.metric].read(result)
    return { expectation, actual, holds: actual !== undefined && compares(actual, expectation) }
  })
}

/** `p99 is 63.2 ms`, for a person. */
export function shownVerdict({ expectation, actual, holds }: ExpectationResult): string {
  const { metric, text } = expectation
  return `${holds ? "holds" : "FAILS"}  ${text}   ${metric} is ${shownValue(actual, metrics[metric].unit)}`
}

const allowed: Readonly<Record<Row["unit"], string>> = {
  ms: "a duration like 50ms or 1.5s",
  part: "a part like 0.1% or 0.001",
  number: "a number",
}

function isMetric(name: string): name is Metric {
  return Object.hasOwn(metrics, name)
}

function boundOf(value: string, unit: Row["unit"]): number | undefined {
  if (unit === "ms") {
    // Fractions of a millisecond, too, which no setting needs.
    const [, amount, scale] = /^([0-9]+(?:\.[0-9]+)?)(us|ms|s|m)$/.exec(value) ?? []
    if (amount === undefined) return parseDuration(value)
    return Number(amount) * { us: 0.001, ms: 1, s: 1_000, m: 60_000 }[scale as "us" | "ms" | "s" | "m"]
  }
  const [, amount, percent] = /^([0-9]+(?:\.[0-9]+)?)(%?)$/.exec(value) ?? []
  if (amount === undefined || (percent === "%" && unit === "number")) return undefined
  return Number(amount) / (percent === "%" ? 100 : 1)
}

function shownValue(value: number | undefined, unit: Row["unit"]): string {
  if (value === undefined) return "unknown: there was no response"
  if (unit === "ms") return `${value.toPrecision(4)} ms`
  return unit === "part" ? `${(value * 100).toPrecision(3)} %` : value.toPrecision(5)
}

function compares(actual: number, { comparison, bound }: Expectation): boolean {
  switch (comparison) {
    case "<":
      return actual < bound
    case "<=":
      return actual <= bound
    case ">":
      return actual > bound
    case ">=":
      return actual >= bound
  }
}

/** Responses whose status has this first digit. */
function countOf(statuses: SpamResult["statuses"], digit: number): number {
  return Object.entries(statuses).reduce(
    (sum, [status, count]) => (Math.floor(Number(status) / 100) === digit ? sum + count : sum),
    0,
  )
}
