import { refuse } from "../../api/api-errors.ts"
import { call, reply } from "../../api/call.ts"
import { backendId, backendView } from "../../state-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const backend = call({
  name: "getBackend",
  method: "GET",
  path: "/api/v1/backends/{id}",
  right: "read",
  summary: "One backend",
  parameters: { path: { id: backendId } },
  responses: { 200: { description: "The backend.", json: backendView } },
  errors: ["unknown_backend"],
  handle: ({ path }, { state }: AdminServices) => {
    const found = state().backends.find(({ id }) => id === path.id)
    return found === undefined ? refuse("unknown_backend") : reply(200, found)
  },
})
