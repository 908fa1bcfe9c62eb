import { call, reply } from "../../api/call.ts"
import { stateView } from "../../state-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const state = call({
  name: "getState",
  method: "GET",
  path: "/api/v1/state",
  right: "read",
  summary: "Everything that is known now",
  responses: { 200: { description: "The state.", json: stateView } },
  errors: [],
  handle: (_input, { state }: AdminServices) => reply(200, state()),
})
