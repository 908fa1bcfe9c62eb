import { call, reply } from "../../api/call.ts"
import { backendId } from "../../state-view.ts"
import { lease, leaseView, renewalBody } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const renew = call({
  name: "renew",
  method: "POST",
  path: "/v1/backends/{id}/renew",
  right: "write",
  summary: "A member is still there, and says how it is",
  parameters: { path: { id: backendId } },
  body: { schema: renewalBody, required: false },
  responses: { 200: { description: "The lease, renewed.", json: lease } },
  errors: ["unknown_backend", "stale_generation"],
  handle: ({ path, body = {} }, { registry, clock, onUtilization }: RegistrationServices) => {
    const held = registry.renew(path.id, body, clock.now())
    if (!held.ok) return held
    if (body.utilization !== undefined) onUtilization?.(held.value.id, body.utilization)
    return reply(200, leaseView(held.value))
  },
})
