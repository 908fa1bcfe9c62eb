/**
 * Which settings there are: the one schema for the file, the library and editors. The rest of the program has the
 * types of what it reads. Every setting has a default, so `{}` is a valid configuration.
 */

import * as z from "zod"
import type { Result } from "../core/result.ts"
import { policyDefault } from "../policies/index.ts"
import { learnedRoutesDefault } from "../routing/routes.ts"
import { resourcesSchema } from "../text/resources-schema.ts"
import type { ConfigIssue } from "../text/issue.ts"
import { readBy } from "../text/schema-issues.ts"
import { flag, integer, mapping, matching, oneOf, section, sectionsOf } from "../text/schema-words.ts"
import { affinity } from "./schema/affinity.ts"
import { upstream } from "./schema/upstream.ts"
import { backends } from "./schema/backends.ts"
import { proxyProtocol, requests, response, tls, via } from "./schema/clients.ts"
import { admin, checks, registration } from "./schema/control.ts"
import { discovery } from "./schema/discovery.ts"
import { limits, timeouts } from "./schema/limits.ts"
import { choosing, policy, pools, routes } from "./schema/routing.ts"
import { amount, anyCidrs, endpoint, shortName } from "./schema/words.ts"

const workersExpected = "auto or an integer from 1 to 64"
const workerCount = z
  .int({ error: workersExpected })
  .min(1, { error: workersExpected })
  .max(64, { error: workersExpected })
const schema = mapping({
  name: shortName.default("linebacker").describe("How Via names this balancer."),
  listen: endpoint(":5252", "").describe(
    "Where traffic arrives; :port is every interface, and a name is all of its addresses.",
  ),
  tls,
  proxyProtocol,
  backends,
  discovery,
  trustedProxies: anyCidrs
    .default([])
    .describe("The addresses whose X-Forwarded-* and Forwarded are believed."),
  via,
  forwarded: flag(false).describe(
    "Whether Forwarded (RFC 7239) is always sent; else only where a trusted proxy has begun it.",
  ),
  workers: z
    .union([z.literal("auto"), workerCount], { error: workersExpected })
    .default("auto")
    .describe("Data-plane threads; auto is one per core."),
  policy: policy.prefault(policyDefault).describe("How a backend is chosen."),
  choosing,
  pools,
  routes,
  affinity: affinity.prefault({}).describe("What requests stick to."),
  cookieKey: matching(/^[\x21-\x7e]{16,256}$/, "16 to 256 visible ASCII characters without a space")
    .optional()
    .describe(
      "The secret that makes the cookies of affinity; when absent, they are valid until the balancer restarts.",
    ),
  learning: section("What requests need, learned from what backends report.", {
    routesMax: integer(0, 1_024, learnedRoutesDefault).describe(
      "The most routes that are learned, besides those in routes.",
    ),
  }),
  seed: integer(0, Number.MAX_SAFE_INTEGER, 0)
    .unwrap()
    .optional()
    .describe("The seed of simulated demand, which makes runs repeatable."),
  resources: resourcesSchema,
  demand: section("What requests need.", {
    mode: oneOf(["declared", "simulation"], "declared").describe(
      "declared: by header, else the default; simulation: drawn at random, 1 to 10.",
    ),
    default: z
      .record(z.string(), amount, { error: "amounts by resource" })
      .default({})
      .describe("What a request is taken to need of each resource, 1 where none is given."),
    trusted: anyCidrs
      .default([])
      .describe(
        "Clients whose declared demand is taken as it is; that of others is bounded by what is known or configured.",
      ),
  }),
  registration,
  admin,
  checks,
  upstream,
  limits,
  timeouts,
  requests,
  response,
})

/**
 * The settings as a person writes them: those of the file, as YAML gives them, and those of the library. Every setting
 * may be absent.
 */
export type Settings = z.input<typeof schema>

/** Every setting right by itself. Of files there are the paths, and policies may not exist. */
export type ConfigDraft = z.output<typeof schema>

/** Checks every setting by itself. */
export function draftConfig(input: unknown): Result<ConfigDraft, readonly ConfigIssue[]> {
  return readBy(schema, input)
}

/** The settings that are mappings of settings. */
export const sectionNames: readonly string[] = sectionsOf(schema)

/** JSON Schema (draft 2020-12) of the configuration as written, for editors. */
export function configJsonSchema(policyNames: readonly string[]): Readonly<Record<string, unknown>> {
  const { $schema, properties, ...rest } = z.toJSONSchema(schema, { io: "input" })
  // What the schema says of a policy, it says in three places.
  const named = JSON.parse(JSON.stringify(properties), (_key, value: unknown) =>
    isPolicyUnion(value)
      ? { ...value, anyOf: [{ type: "string", enum: policyNames }, value.anyOf[1]] }
      : value,
  ) as typeof properties
  return { $schema, title: "Linebacker configuration", ...rest, properties: named }
}

function isPolicyUnion(value: unknown): value is { readonly anyOf: readonly unknown[] } {
  const union = value as { readonly anyOf?: readonly { readonly properties?: object }[] } | null
  const properties = union?.anyOf?.[1]?.properties
  return properties !== undefined && Object.keys(properties).join() === "name"
}
