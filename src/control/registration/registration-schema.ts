/** The shapes of what backends send and get. Bounds and names of resources are the registry's matter. */
import * as z from "zod"
import { addressExpected, formatAddress } from "../../membership/address.ts"
import type { Lease } from "../../membership/registry.ts"
import { registrationLimits } from "../../membership/registration.ts"
import type { Member } from "../../membership/snapshot.ts"
import { jsonObject } from "../api/body-shape.ts"
import type { Immutable } from "../api/call.ts"
import { memberFactsExample } from "../state-examples.ts"
import { backendId, keptBy, memberFacts, memberState } from "../state-view.ts"

const {
  weightMin,
  weightMax,
  weightDefault,
  ttlMsMin,
  ttlMsMax,
  utilizationMax,
  inFlightMax,
  textCharsMax,
  labelsMax,
} = registrationLimits

const amount = z.number({ error: "a finite number" })
const amounts = z.record(z.string(), amount.meta({ minimum: 0 }), {
  error: 'amounts by resource, like {"compute": 20}',
})
const whole = z.int({ error: "a whole number" })
const text = z.string({ error: "text" }).meta({ minLength: 1, maxLength: textCharsMax })
const generation = whole
  .optional()
  .describe("Which registration is meant, as its lease says it; any without it.")

export const registrationBody = jsonObject({
  address: z
    .string({ error: addressExpected })
    .describe("Where the backend takes requests: host:port, :port at the peer's own address, or unix:/path."),
  capacity: amounts.describe("One amount for every resource, at least one of them above 0."),
  scheme: z.enum(["http", "https"], { error: '"http" or "https"' }).optional().meta({ default: "http" }),
  zone: text.optional(),
  version: text.optional(),
  labels: z
    .record(z.string(), z.string({ error: "text" }), { error: "texts by name" })
    .optional()
    .meta({ maxProperties: labelsMax }),
  weight: amount.optional().meta({ minimum: weightMin, maximum: weightMax, default: weightDefault }),
  incarnation: whole.optional().meta({
    minimum: 0,
    description: "Which process of this backend it is. It grows with every restart; a start time does.",
  }),
  ttlMs: whole.optional().meta({
    minimum: ttlMsMin,
    maximum: ttlMsMax,
    description: "How long the lease lasts without a renewal; registration.ttl without it.",
  }),
}).meta({
  id: "Registration",
  examples: [{ address: ":8080", capacity: { compute: 20, storage: 13 }, zone: "a" }],
})

export const renewalBody = jsonObject({
  generation,
  utilization: z
    .record(z.string(), amount.meta({ minimum: 0, maximum: utilizationMax }), {
      error: 'amounts by resource, like {"compute": 20}',
    })
    .optional()
    .describe("Share of each resource in use now, 1 is all of it; may name some resources only."),
  capacity: amounts.optional().describe("New capacities; those that are not named stay."),
  inFlight: whole.optional().meta({
    minimum: 0,
    maximum: inFlightMax,
    description: "Requests that the backend works on now, from all balancers.",
  }),
}).meta({ id: "Renewal", examples: [{ generation: 100, utilization: { compute: 0.4 } }] })

export const generationBody = jsonObject({ generation }).meta({
  id: "Generation",
  examples: [{ generation: 100 }],
})

/** What the seed's backends announce; they know no other keys. */
export const seedBody = jsonObject(
  { "Compute-Vector": amount.meta({ minimum: 0 }), "Storage-Vector": amount.meta({ minimum: 0 }) },
  '{"Compute-Vector": 20, "Storage-Vector": 13}, or PUT /v1/backends/{id}',
).meta({ id: "SeedAnnouncement", examples: [{ "Compute-Vector": 20, "Storage-Vector": 13 }] })

export const lease = z
  .object({
    id: backendId,
    generation: z.int().describe("Which registration this is; it grows with each."),
    ttlMs: z.number().describe("How long the lease lasts without a renewal."),
    renewMs: z.number().describe("How often to renew it."),
    state: memberState,
  })
  .meta({
    id: "Lease",
    examples: [{ id: "app-1", generation: 100, ttlMs: 10_000, renewMs: 2_000, state: "probing" }],
  })

/** A lease as its holder sees it. */
export function leaseView({ id, generation, ttlMs, renewMs, state }: Lease): z.input<typeof lease> {
  return { id, generation, ttlMs, renewMs, state }
}

export const memberExample = {
  ...memberFactsExample,
  lease: { keptBy: "renewals", expiresInMs: 8_700 },
} as const

export const member = z
  .object({
    ...memberFacts,
    lease: z.object({
      keptBy,
      expiresInMs: z
        .number()
        .min(0)
        .optional()
        .describe("How long until it lapses; absent where ping-acks keep it."),
    }),
  })
  .meta({
    id: "Member",
    examples: [memberExample],
  })

export function memberView(
  { id, generation, address, scheme, state, reason, capacity, weight, ...more }: Member,
  expiresInMs: number | undefined,
): Immutable<z.input<typeof member>> {
  const { zone, version, labels, incarnation, keptBy } = more
  return {
    id,
    generation,
    address: formatAddress(address),
    scheme,
    state,
    reason,
    capacity,
    weight,
    zone,
    version,
    labels,
    incarnation,
    lease: { keptBy, expiresInMs },
  }
}
