/**
 * What is known now, as the page and the admin API show it. The shapes are here once: the types of all that makes or
 * reads a state are derived from them, and so is what the OpenAPI document says of it.
 */
import * as z from "zod"
import type { Immutable } from "./api/call.ts"
import { currentPolicy } from "./policy-view.ts"
import { backendExample, routeExample, stateExample } from "./state-examples.ts"

const namedAmounts = z
  .record(z.string(), z.number())
  .meta({ id: "Amounts", description: "Amounts by resource.", examples: [{ compute: 20, storage: 13 }] })

/** In a path any text is one, which no backend may have. */
export const backendId = z.string().meta({ description: "The id of a backend.", examples: ["app-1"] })

const count = z.int().min(0)
const none = "absent where there is none"

const scheme = z.enum(["http", "https"])
export const memberState = z
  .enum(["probing", "serving", "suspect", "ejected", "draining"])
  .meta({ id: "MemberState" })
export const keptBy = z
  .enum(["renewals", "ping-acks", "configuration"])
  .describe(
    "What keeps it a member: its renewals, the checks of the balancer, or the configuration that names it.",
  )

/** What every listing of a backend says of it. */
export const memberFacts = {
  id: backendId,
  generation: z.int().describe("Which registration this is; it grows with each."),
  address: z.string().describe("host:port, IPv6 in brackets, or unix:/path."),
  scheme,
  state: memberState,
  reason: z.string().describe("One sentence: why it is in this state."),
  capacity: namedAmounts.describe("As registered."),
  weight: z.number(),
  zone: z.string().optional(),
  version: z.string().optional(),
  labels: z.record(z.string(), z.string()),
  incarnation: z
    .int()
    .optional()
    .describe("Which process of the backend it is; it grows with every restart."),
}

/** One backend. */
export const backendView = z
  .object({
    ...memberFacts,
    capacityCorrected: namedAmounts.describe(
      "Capacity as corrected by what the backend reported; as registered where there was nothing to correct.",
    ),
    penalty: z.number().describe("How much dearer it is taken to be for its failures; 1 is none."),
    reserved: namedAmounts.describe("Demand held by attempts that have not settled."),
    total: namedAmounts.describe("Demand of all requests that it has served since it joined."),
    utilization: namedAmounts
      .optional()
      .describe(`What it last reported of itself, 0 to 1 per resource; ${none}.`),
    inFlight: z.int(),
    requests: count.describe("Requests served since it joined."),
    failures: count.describe("Attempts that failed since it joined."),
    requestsPerSecond: z.number(),
    lease: z.object({
      keptBy,
      ttlMs: z.number(),
      expiresInMs: z
        .number()
        .min(0)
        .optional()
        .describe("How long until it lapses; absent where it does not."),
    }),
    check: z.object({
      lastPassed: z.boolean().optional().describe("Absent before the first check."),
      lastAgoMs: z.number().optional(),
      lastError: z.string().optional().describe("Why the last check failed."),
    }),
    reportError: z
      .string()
      .optional()
      .describe("Why it could not be asked for a load report; absent where it could, or is never asked."),
  })
  .meta({ id: "Backend", examples: [backendExample] })

/** What is known of one route's demand of one resource. What is not known is null. */
const demandView = z
  .object({
    resource: z.string(),
    source: z
      .enum(["configured", "reported", "utilization", "service-time", "prior"])
      .describe(
        "From what the mean is known: what the configuration says counts before all that is learned.",
      ),
    mean: z.number(),
    standardError: z.number().nullable().describe("Of the mean."),
    samples: z.number().describe("Costs, seconds of reports or requests that the mean rests on."),
    variation: z
      .number()
      .nullable()
      .describe("Standard deviation of single requests over their mean, where costs are reported."),
    bySize: z
      .object({ base: z.number(), perByte: z.number() })
      .nullable()
      .describe("The amount at no bytes of body, and for each byte, where the length tells it."),
  })
  .meta({ id: "Demand" })

/** What is known of the requests on one route. */
export const routeView = z
  .object({
    name: z
      .string()
      .describe("`GET /users/*`, or the name of a rule; the empty name is for all that belong to no other."),
    rate: z.number().describe("Requests per second of late."),
    demand: z.array(demandView).describe("In the order of the resources."),
  })
  .meta({ id: "Route", examples: [routeExample] })

const trouble = z.object({
  tone: z.enum(["warn", "bad"]),
  words: z.string().describe("One sentence without its full stop: what is wrong, and with which backend."),
})

const verdict = z
  .object({
    tone: z.enum(["good", "warn", "bad", "empty"]),
    words: z.string().describe("One sentence without its full stop."),
    troubles: z.array(trouble).describe("All that is wrong, worst first; the first is what `words` says."),
  })
  .meta({ id: "Verdict", examples: [stateExample.verdict] })

/** Everything that the page shows, sent whole about twice per second on `/api/v1/events` and by `/api/v1/state`. */
export const stateView = z
  .object({
    name: z.literal("linebacker"),
    version: z.string(),
    at: z.string().meta({ format: "date-time", description: "Wall-clock time of the state." }),
    uptimeMs: z.number(),
    policy: z.string().describe("Of the whole balancer."),
    policies: z
      .array(currentPolicy)
      .describe("The policy of the whole balancer, then those of pools that have their own."),
    demandMode: z.enum(["simulation", "declared"]),
    verdict: verdict.describe("How everything is: what the page says on top."),
    workers: count.describe("Data-plane threads that are alive."),
    faults: z
      .object({
        bugs: count.describe("Those that ended a data-plane thread included; the log has their stacks."),
        threadsDied: count.describe("Data-plane threads that died; each was replaced."),
        threadsStill: count.describe("Data-plane threads that stood still; each was replaced."),
        linesLost: count.describe("Lines of the log and the output that could not be written."),
      })
      .describe("What went wrong in the balancer itself since it started."),
    sources: z
      .array(
        z.object({
          kind: z.enum(["settings", "file", "dns"]),
          name: z.string().describe("Which of its kind: a file, a name."),
          backends: count.describe("Those that it has found; while it fails, those that it had found."),
          problems: z.array(z.string()).describe("What is wrong with it now, a line each."),
        }),
      )
      .describe("Where backends come from that hold no lease."),
    listeners: z.object({
      traffic: z.string(),
      tls: z.string().optional(),
      registration: z.string(),
      admin: z.string(),
    }),
    resources: z.array(z.object({ name: z.string(), kind: z.enum(["rate", "space"]) })),
    totals: z.object({
      backends: count,
      eligible: count,
      requests: count,
      requestsPerSecond: z.number(),
      inFlight: z.int(),
      connections: z.int().describe("Open client connections."),
      errors: z
        .record(z.string(), count)
        .describe("Responses that the balancer itself had to make, by error code."),
      capacity: namedAmounts,
      reserved: namedAmounts,
      total: namedAmounts,
    }),
    backends: z.array(backendView).describe("In order of registration."),
    routes: z
      .array(routeView)
      .describe("The empty name first, then those of the configuration in order, then the learned."),
  })
  .meta({ id: "State", examples: [stateExample] })

export type BackendView = Immutable<z.infer<typeof backendView>>
export type DemandView = Immutable<z.infer<typeof demandView>>
export type RouteView = Immutable<z.infer<typeof routeView>>
export type Trouble = Immutable<z.infer<typeof trouble>>
export type Verdict = Immutable<z.infer<typeof verdict>>
export type StateView = Immutable<z.infer<typeof stateView>>
