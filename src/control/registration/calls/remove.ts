import { call, reply } from "../../api/call.ts"
import { backendId } from "../../state-view.ts"
import { generationBody } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const remove = call({
  name: "remove",
  method: "DELETE",
  path: "/v1/backends/{id}",
  right: "write",
  summary: "A member leaves at once; what it works on may finish",
  parameters: { path: { id: backendId } },
  body: { schema: generationBody, required: false },
  responses: { 204: { description: "It has left." } },
  errors: ["unknown_backend", "stale_generation"],
  handle: ({ path, body = {} }, { registry }: RegistrationServices) => {
    const removed = registry.remove(path.id, body.generation)
    return removed.ok ? reply(204) : removed
  },
})
