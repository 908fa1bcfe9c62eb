/**
 * Which settings a scenario file has: the one schema for the file and for editors. Each setting is right by itself
 * here; what they ask of each other is in `scenario-checks.ts`.
 */

import * as z from "zod"
import { durationExpected, parseDuration } from "../../text/duration.ts"
import type { Result } from "../../core/result.ts"
import { resourcesSchema } from "../../text/resources-schema.ts"
import type { ConfigIssue } from "../../text/issue.ts"
import { readBy } from "../../text/schema-issues.ts"
import {
  duration,
  either,
  flag,
  integer,
  listOf,
  mapping,
  matching,
  named,
  number,
  oneOf,
  section,
  span,
  tagged,
} from "../../text/schema-words.ts"
import type { Distribution } from "./scenario.ts"

export const requestsMax = 100_000_000
export const balancersMax = 16
/** Backends of one scenario. */
export const backendsMax = 10_000
const day = 24 * 3_600_000

const nameExpected = "a name of up to 64 of a-z, A-Z, 0-9, _ and -, a letter first"
const nameForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

const notNegative = number("a number of at least 0", (value) => value >= 0)
const positive = number("a number above 0", (value) => value > 0)
const part = number("a number from 0 to 1", (value) => value >= 0 && value <= 1)
const amounts = z.record(z.string(), notNegative, { error: "amounts by resource" })
const lanes = z.record(z.string(), positive, { error: "amounts by resource" })

const range = z
  .tuple([notNegative, notNegative], { error: "two numbers of at least 0, the smaller first" })
  .refine(([min, max]) => min <= max, { error: "two numbers, the smaller first" })
const integers = range.refine(([min, max]) => Number.isInteger(min) && Number.isInteger(max), {
  error: "two integers, the smaller first",
})

const distributionExpected =
  "a number of at least 0, or one of {exponential: mean}, {uniform: [min, max]}, {integer: [min, max]}, " +
  "{lognormal: {mean, cv}}, {pareto: {mean, shape}}, {bimodal: {small, large, often}}"

/** The same forms for amounts and for times, which differ in how a mean is written. */
function distribution(mean: z.ZodType<number>, bounds: z.ZodType<[number, number]>, expected: string) {
  const forms = tagged(
    {
      constant: mean,
      exponential: mean,
      uniform: bounds,
      integer: integers,
      lognormal: mapping({ mean, cv: positive }),
      pareto: mapping({ mean, shape: number("a number above 1, or there is no mean", (value) => value > 1) }),
      bimodal: mapping({ small: mean, large: mean, often: part }),
    },
    expected,
  )
  const scalar = mean.transform((value): Distribution => ({ kind: "constant", mean: value }))
  return either(
    scalar,
    forms.transform((form): Distribution => {
      if (form.constant !== undefined) return { kind: "constant", mean: form.constant }
      if (form.exponential !== undefined) return { kind: "exponential", mean: form.exponential }
      if (form.uniform !== undefined) return { kind: "uniform", min: form.uniform[0], max: form.uniform[1] }
      if (form.integer !== undefined) return { kind: "integer", min: form.integer[0], max: form.integer[1] }
      if (form.lognormal !== undefined) return { kind: "lognormal", ...form.lognormal }
      if (form.pareto !== undefined) return { kind: "pareto", ...form.pareto }
      return { kind: "bimodal", ...form.bimodal }
    }),
  )
}

const mean = z.number({ error: distributionExpected }).min(0, { error: distributionExpected })
const demandDistribution = distribution(mean, range, distributionExpected)

const timeExpected = `${durationExpected}, or a distribution like {exponential: 2s} or {lognormal: {mean: 2s, cv: 1}}`
const time = z.union([z.string(), z.number()], { error: timeExpected }).transform((value, check): number => {
  const ms = parseDuration(value)
  if (ms !== undefined && ms <= day) return ms
  check.issues.push({ code: "custom", message: timeExpected, input: value })
  return z.NEVER
})
const times = z
  .tuple([time, time], { error: "two durations, the shorter first" })
  .refine(([min, max]) => min <= max, { error: "two durations, the shorter first" })
const holdDistribution = distribution(time, times, timeExpected)

const at = duration("0s", 0, day)
const lasting = span(1, day)

const group = mapping({
  count: integer(1, backendsMax, 1).describe("How many there are."),
  capacity: amounts.describe(
    "What one of them has and registers: units per second of a rate, units of a space.",
  ),
  actual: amounts.optional().describe("What it really has, where that is something else."),
  weight: positive.default(1).describe("Its weight, for the policies that take weights."),
  zone: matching(/^[\x21-\x7e]{1,64}$/, "a name of up to 64 characters without a space").optional(),
  tier: integer(0, 15, 0).describe("Its tier; 0 is used first."),
  discipline: oneOf(["sharing", "fifo"], "sharing").describe(
    "How a rate is served: to all at once in equal parts, or one request per lane in order of arrival.",
  ),
  lane: lanes.optional().describe("The most of a rate that one request can use, units per second: one core."),
  joins: at.describe("When it announces itself."),
  leaves: lasting.optional().describe("When it leaves, its requests finished; never when absent."),
})

const requestClass = mapping({
  share: number("a number above 0, up to 1", (value) => value > 0 && value <= 1).describe(
    "Its part of all requests; those of all classes sum to 1.",
  ),
  demand: z
    .record(z.string(), demandDistribution, { error: "distributions by resource" })
    .describe("Of each resource: a number or a distribution; nothing of those that are not named."),
  hold: holdDistribution.optional().describe("Time it lasts beside its work, while it only holds space."),
  declaredError: notNegative
    .default(0)
    .describe("How wrong it declares: coefficient of variation of a factor."),
  declaredBias: positive.default(1).describe("How wrong it declares: a factor."),
})

const arrivalsExpected =
  "poisson, or one of {bursty: {on, off, factor}}, {diurnal: {period, depth, mixFlip}}; traces come with --trace"
const arrivals = either(
  z.literal("poisson", { error: arrivalsExpected }),
  tagged(
    {
      bursty: mapping({
        on: lasting.describe("Mean length of a burst."),
        off: lasting.describe("Mean length of the time between bursts."),
        factor: number("a number of at least 1", (value) => value >= 1).describe(
          "The rate in a burst over the mean rate.",
        ),
      }),
      diurnal: mapping({
        period: lasting,
        depth: part.default(0.5),
        mixFlip: flag(false).describe("Whether the first and the last class swap their shares at the ebb."),
      }),
    },
    arrivalsExpected,
  ),
)

const common = {
  backend: z
    .union([z.string(), listOf(z.string(), "backends", backendsMax)], {
      error: "the name of a backend like compute-1, or a list of them",
    })
    .describe("The backend that it happens to, or a list of several."),
  at: at.describe("When it begins."),
  for: lasting.optional().describe("How long it lasts; to the end when absent."),
}
const faultKinds = [
  "crash",
  "slow",
  "flapping",
  "noisy-neighbour",
  "lying-reports",
  "stale-reports",
  "fast-failures",
] as const
const fault = z.discriminatedUnion(
  "kind",
  [
    mapping({ kind: z.literal("crash"), ...common }),
    mapping({ kind: z.literal("slow"), ...common, factor: notNegative }),
    mapping({ kind: z.literal("flapping"), ...common, every: lasting }),
    mapping({
      kind: z.literal("noisy-neighbour"),
      ...common,
      resource: z.string({ error: "the name of a resource" }),
      part: number("a number from 0, below 1", (value) => value >= 0 && value < 1),
    }),
    mapping({ kind: z.literal("lying-reports"), ...common, factor: notNegative }),
    mapping({ kind: z.literal("stale-reports"), ...common }),
    mapping({ kind: z.literal("fast-failures"), ...common, part }),
  ],
  { error: (issue) => (issue.code === "invalid_union" ? `one of ${faultKinds.join(", ")}` : "a mapping") },
)

const schema = mapping({
  name: matching(nameForm, nameExpected).optional().describe("The file's name when absent."),
  summary: z
    .string({ error: "a sentence" })
    .max(400, { error: "a sentence of at most 400 characters" })
    .default(""),
  resources: resourcesSchema,
  lane: lanes.default({}).describe("The lanes of all backends that have none of their own."),
  backends: named(nameForm, nameExpected, group, "groups of backends by name", 1),
  classes: named(nameForm, nameExpected, requestClass, "classes of requests by name", 1),
  arrivals: arrivals.default("poisson"),
  faults: z.array(fault, { error: "a list of faults" }).max(10_000).default([]),
  balancers: integer(1, balancersMax, 1).describe("Balancers before the fleet that exchange nothing."),
  knowledge: section("What the balancers know.", {
    demand: oneOf(["learned", "known", "declared"], "learned").describe(
      "learned: nothing at first; known: the true means of the classes; declared: each request says its own.",
    ),
    reports: oneOf(["costs", "utilization", "none"], "costs").describe("What backends tell."),
    reportEvery: duration("1s", 10, day).describe("How often a backend reports its utilization."),
    reportDelay: duration("0s", 0, day).describe("How old a report is when it arrives."),
  }),
  requests: integer(1_000, requestsMax, 100_000).describe("Requests of one run, the warm-up included."),
  warmUp: number("a number from 0, below 1", (value) => value >= 0 && value < 1)
    .default(0.25)
    .describe("The part of a run that is not counted."),
  loads: listOf(
    number("a load above 0, up to 2, as a share of θ*", (value) => value > 0 && value <= 2),
    "loads",
    64,
  )
    .default([0.5, 0.7, 0.8, 0.9, 0.95])
    .describe("Loads to run at, as shares of θ*."),
})

/** A scenario with every setting right by itself. */
export type ScenarioDraft = z.infer<typeof schema>

/** Checks every setting by itself. */
export function draftScenario(input: unknown): Result<ScenarioDraft, readonly ConfigIssue[]> {
  return readBy(schema, input)
}

/** JSON Schema (draft 2020-12) of a scenario file, for editors. */
export function scenarioJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" })
  return { $schema, title: "Linebacker scenario", ...rest }
}
