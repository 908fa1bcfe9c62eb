import { refuse } from "../../api/api-errors.ts"
import { call, reply } from "../../api/call.ts"
import { stateView } from "../../state-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const events = call({
  name: "streamEvents",
  method: "GET",
  path: "/api/v1/events",
  right: "read",
  summary: "The state now and each later one, as a stream of events",
  description:
    "Server-sent events. Each event `state` holds the whole state, about twice per second. A reader that is too slow " +
    "misses states, and after many of them its stream ends.",
  responses: { 200: { description: "The stream.", events: stateView } },
  errors: ["too_many_streams"],
  handle: (_input, { stream }: AdminServices) => {
    const body = stream()
    return body === undefined ? refuse("too_many_streams") : reply(200, body)
  },
})
