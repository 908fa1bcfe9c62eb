/** Where requests go: policies and what is around them, pools, routes, affinity. */

import * as z from "zod"
import { apertureSizeDefault } from "../../policies/around/aperture.ts"
import { slowStartDefault } from "../../policies/around/slow-start.ts"
import { tierDefault } from "../../policies/around/tiers.ts"
import { zoneMembersMinDefault } from "../../policies/around/zone-preference.ts"
import { routePathError } from "../../routing/routes.ts"
import { formatDuration } from "../../text/duration.ts"
import { duration, flag, integer, listOf, mapping, matching, section } from "../../text/schema-words.ts"
import { affinity } from "./affinity.ts"
import { backendList } from "./backends.ts"
import { amount, amountExpected, hostName, number, shortName } from "./words.ts"

/** A policy as written: its name and its parameters may be wrong. */
export interface WrittenPolicy {
  readonly name: string
  readonly parameters: Readonly<Record<string, unknown>>
}

const policyExpected = "the name of a policy, or a mapping with its name and its parameters"
export const policy = z
  .union(
    [z.string(), z.object({ name: z.string({ error: "the name of a policy" }) }).catchall(z.unknown())],
    { error: policyExpected },
  )
  .transform((written): WrittenPolicy => {
    if (typeof written === "string") return { name: written, parameters: {} }
    const { name, ...parameters } = written
    return { name, parameters }
  })

export const choosing = section("What applies around every policy.", {
  slowStart: section("How a backend that has just come warms up.", {
    window: duration(formatDuration(slowStartDefault.windowMs), 0).describe(
      "How long it warms up; 0s is not at all.",
    ),
    aggression: number(0.01, 100, slowStartDefault.aggression).describe(
      "How fast its share grows: 1 is evenly, more is faster at first.",
    ),
    minShare: number(0.001, 1, slowStartDefault.minShare).describe(
      "The part of its share that it begins with.",
    ),
  }),
  zone: mapping({
    local: matching(/^.{1,128}$/, "the name of a zone").describe("The zone of this balancer."),
    membersMin: integer(1, 65_536, zoneMembersMinDefault).describe(
      "With fewer backends, zones do not matter.",
    ),
    origins: z
      .record(z.string(), amount.min(0, { error: amountExpected }), { error: "amounts by zone" })
      .optional()
      .describe("Which part of all requests arrives in which zone; the same in each when absent."),
  })
    .optional()
    .describe("The balancer's own zone first; when absent, zones do not matter."),
  tiers: mapping({
    overprovisioning: number(1, 100, tierDefault.overprovisioning).describe(
      "How much more than its usual share a backend can carry.",
    ),
    memory: duration(formatDuration(tierDefault.memoryMs), 1_000).describe(
      "How long backends that have gone count as missing.",
    ),
    membersPerTier: listOf(integer(0, 65_536, 0).unwrap(), "numbers of backends", 100)
      .optional()
      .describe("How many backends a tier has when all is well."),
  })
    .optional()
    .describe(
      "Backends with the label tier=1 are for when those before them do not suffice; absent is no tiers.",
    ),
  subset: mapping({
    size: integer(1, 65_536, 20).describe("How many backends this balancer uses."),
    seed: integer(0, 4_294_967_295, 0)
      .unwrap()
      .optional()
      .describe("What tells balancers apart; their name when absent."),
  })
    .optional()
    .describe("This balancer uses some of the backends; when absent, all of them."),
  aperture: mapping({
    size: integer(1, 65_536, apertureSizeDefault).describe("How many backends a balancer uses, at least."),
    balancers: integer(1, 65_536, 1).unwrap().describe("How many balancers there are."),
    balancer: integer(0, 65_535, 0).unwrap().describe("Which of them this is, counted from 0."),
  })
    .optional()
    .describe(
      "Instead of a subset: parts that balancers cut without gaps, so that all backends are used alike.",
    ),
})

/** The label by which a pool without `match` finds its backends. */
export const poolLabel = "pool"

const label = z.string({ error: "text" })
const pool = mapping({
  name: shortName,
  match: mapping(
    {
      labels: z
        .record(z.string(), label, { error: "labels with their values" })
        .default({})
        .describe("Each of these labels with exactly this value."),
      zone: label.optional().describe("The zone that they announce."),
      ids: listOf(z.string({ error: "the id of a backend" }), "ids", 1_024)
        .optional()
        .describe("Their ids."),
    },
    "The backends that fit everything that is given here.",
  ).optional(),
  backends: backendList
    .optional()
    .describe(
      "Known backends that belong to it, in the place of match: they get the label pool with its name.",
    ),
  policy: policy.optional().describe("How one of them is chosen; when absent, as everywhere."),
})

const route = mapping({
  name: matching(/^[^\p{Cc}]{1,128}$/u, "a name of up to 128 characters")
    .optional()
    .describe("A name for people; when absent, what the route matches."),
  method: matching(/^[A-Z]{1,32}$/, "a method like GET")
    .optional()
    .describe("Any when absent."),
  host: hostName.optional().describe("Any when absent."),
  path: z
    .string({ error: "a path like /users/* or /files/**" })
    .max(1_024, { error: "a path of at most 1024 characters" })
    .check((check) => {
      const wrong = routePathError(check.value)
      if (wrong === undefined) return
      // What was found is said in its place.
      const message = `a path like /users/* or /files/**; it ${wrong.replace(/; found [^]*$/, "")}`
      check.issues.push({ code: "custom", message, input: check.value })
    })
    .describe("/users/* has one segment more, /files/** any number."),
  pool: z
    .string({ error: "the name of a pool" })
    .optional()
    .describe("The pool that serves it; when absent, all backends."),
  policy: policy.optional().describe("How a backend is chosen; when absent, as in its pool."),
  demand: z
    .record(z.string(), amount, { error: "amounts by resource" })
    .optional()
    .describe("What its requests need; what is not given is learned."),
  trusted: flag(false).describe(
    "Whether what its requests declare of their demand is taken as it is, from any client.",
  ),
  affinity: affinity.optional().describe("What its requests stick to."),
}).transform((read) => ({ ...read, name: read.name ?? matchOf(read) }))

function matchOf({
  method,
  host = "",
  path,
}: {
  method: string | undefined
  host: string | undefined
  path: string
}) {
  return [method, `${host}${path}`].filter(Boolean).join(" ")
}

export const pools = z
  .array(pool, { error: "a list of pools" })
  .max(64, { error: "a list of at most 64 pools" })
  .default([])
  .describe("Backends that serve some routes only.")

export const routes = z
  .array(route, { error: "a list of routes" })
  .max(256, { error: "a list of at most 256 routes" })
  .default([])
  .describe("What is special about some requests; the first that fits counts.")
