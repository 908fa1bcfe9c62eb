/** Policies as the API, the command line and the page show them, and how a change of one is asked for. */
import * as z from "zod"
import { jsonObject } from "./api/body-shape.ts"
import type { Immutable } from "./api/call.ts"
import { currentPolicyExample } from "./state-examples.ts"

/** A policy in use, with all its parameters. */
export const currentPolicy = z
  .object({
    pool: z.string().describe("Empty for the whole balancer."),
    name: z.string(),
    parameters: z.record(z.string(), z.number()),
  })
  .meta({ id: "CurrentPolicy", examples: [currentPolicyExample] })

export const policyView = z
  .object({
    name: z.string(),
    summary: z.string(),
    seesDemand: z.boolean().describe("Whether its choice depends on what a request needs."),
    sticks: z.boolean().describe("Whether it sends requests of one key to one backend."),
    isReplica: z
      .boolean()
      .describe("Whether it copies another program or paper, and is there to compare with."),
    parameters: z.record(
      z.string(),
      z.object({ summary: z.string(), default: z.number(), min: z.number(), max: z.number() }),
    ),
    unsuitable: z
      .string()
      .optional()
      .describe("Why it cannot work with the resources here; absent where it can."),
  })
  .meta({
    id: "Policy",
    examples: [
      {
        name: "least-connections",
        summary: "The backend with the fewest requests for its weight.",
        seesDemand: false,
        sticks: false,
        isReplica: false,
        parameters: {},
      },
    ],
  })

/** What an operator asks for. */
export const policyChange = jsonObject({
  name: z.string({ error: "the name of a policy" }),
  parameters: z
    .record(z.string(), z.unknown(), { error: "a JSON object with parameters" })
    .optional()
    .describe("Those that are not named have their defaults."),
  pool: z
    .string({ error: "the name of a pool" })
    .optional()
    .describe("Absent: of the whole balancer, and of all pools that have none of their own."),
}).meta({ id: "PolicyChange", examples: [{ name: "least-connections" }] })

export type CurrentPolicy = Immutable<z.infer<typeof currentPolicy>>
export type PolicyView = Immutable<z.infer<typeof policyView>>
export type PolicyChange = Immutable<z.infer<typeof policyChange>>
