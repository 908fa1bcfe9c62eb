import * as z from "zod"
import { call, reply } from "../../api/call.ts"
import { routeExample } from "../../state-examples.ts"
import { routeView } from "../../state-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const routes = call({
  name: "listRoutes",
  method: "GET",
  path: "/api/v1/routes",
  right: "read",
  summary: "What requests on each route are known to need",
  responses: {
    200: {
      description: "The routes.",
      json: z.object({ routes: z.array(routeView) }).meta({ examples: [{ routes: [routeExample] }] }),
    },
  },
  errors: [],
  handle: (_input, { state }: AdminServices) => reply(200, { routes: state().routes }),
})
