import * as z from "zod"
import { call, reply } from "../../api/call.ts"
import { currentPolicy, policyView } from "../../policy-view.ts"
import { currentPolicyExample } from "../../state-examples.ts"
import type { AdminServices } from "../admin-services.ts"

export const policies = call({
  name: "listPolicies",
  method: "GET",
  path: "/api/v1/policies",
  right: "read",
  summary: "The policies that there are, and those in use",
  responses: {
    200: {
      description: "The policies.",
      json: z
        .object({
          current: z.string().describe("Of the whole balancer."),
          inUse: z.array(currentPolicy),
          policies: z.array(policyView),
        })
        .meta({ examples: [{ current: "auto", inUse: [currentPolicyExample], policies: [] }] }),
    },
  },
  errors: [],
  handle: (_input, { state, policies }: AdminServices) => {
    const { policy: current, policies: inUse } = state()
    return reply(200, { current, inUse, policies })
  },
})
