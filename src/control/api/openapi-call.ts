import * as z from "zod"
import { type Api, call, type Call, reply } from "./call.ts"
import { openApiOf } from "./openapi.ts"

/** The call that describes the API that it is a call of. */
export function openApiCall(api: () => Api<never>): Call<unknown> {
  let document: Readonly<Record<string, unknown>> | undefined
  return call({
    name: "getOpenApi",
    method: "GET",
    path: "/openapi.json",
    right: "read",
    summary: "This document",
    responses: {
      200: { description: "An OpenAPI 3.1 document.", json: z.record(z.string(), z.unknown()) },
    },
    errors: [],
    handle: () => reply(200, (document ??= openApiOf(api()))),
  })
}
