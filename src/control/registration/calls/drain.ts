import { call, reply } from "../../api/call.ts"
import { backendId } from "../../state-view.ts"
import { generationBody, lease, leaseView } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const drain = call({
  name: "drain",
  method: "POST",
  path: "/v1/backends/{id}/drain",
  right: "write",
  summary: "A member gets nothing new, and finishes what it has",
  parameters: { path: { id: backendId } },
  body: { schema: generationBody, required: false },
  responses: { 200: { description: "The lease, draining.", json: lease } },
  errors: ["unknown_backend", "stale_generation"],
  handle: ({ path, body = {} }, { registry, clock }: RegistrationServices) => {
    const held = registry.drain(path.id, body.generation, clock.now())
    return held.ok ? reply(200, leaseView(held.value)) : held
  },
})
