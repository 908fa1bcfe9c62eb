import { refuse } from "../../api/api-errors.ts"
import { call, reply } from "../../api/call.ts"
import type { AdminServices } from "../admin-services.ts"

export const readiness = call({
  name: "isReady",
  method: "GET",
  path: "/readyz",
  right: "open",
  summary: "Whether traffic can be taken",
  description:
    "What sits before the balancer sends it clients by this. It fails first when the balancer stops.",
  responses: { 200: { description: "It can.", media: ["text/plain; charset=UTF-8"] } },
  errors: ["not_ready"],
  handle: (_input, { unready }: AdminServices) => {
    const reason = unready()
    return reason === undefined ? reply(200, "ok\n") : refuse("not_ready", reason)
  },
})
