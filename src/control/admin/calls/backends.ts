import * as z from "zod"
import { call, reply } from "../../api/call.ts"
import { backendExample } from "../../state-examples.ts"
import { backendView } from "../../state-view.ts"
import type { AdminServices } from "../admin-services.ts"

export const backends = call({
  name: "listBackends",
  method: "GET",
  path: "/api/v1/backends",
  right: "read",
  summary: "The backends, in order of registration",
  responses: {
    200: {
      description: "The backends.",
      json: z.object({ backends: z.array(backendView) }).meta({ examples: [{ backends: [backendExample] }] }),
    },
  },
  errors: [],
  handle: (_input, { state }: AdminServices) => reply(200, { backends: state().backends }),
})
