import { refuse } from "../../api/api-errors.ts"
import { call, reply } from "../../api/call.ts"
import { currentPolicy, policyChange } from "../../policy-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const changePolicy = call({
  name: "changePolicy",
  method: "POST",
  path: "/api/v1/policy",
  right: "write",
  summary: "Another policy, for the requests that are placed from now on",
  description: "Nothing that runs or waits is lost. Routes with a policy of their own keep it.",
  body: { schema: policyChange, required: true },
  responses: { 200: { description: "The policy that is in use now.", json: currentPolicy } },
  errors: [],
  handle: ({ body }, { changePolicy }: AdminServices) => {
    const changed = changePolicy(body)
    if (changed.ok) return reply(200, changed.value)
    return refuse("invalid_body", changed.error.message, changed.error.path)
  },
})
