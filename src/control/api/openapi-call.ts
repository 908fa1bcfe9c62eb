import * as z from "zod"
import { type Api, call, type Call, reply } from "./call.ts"
import { type OpenApiDocument, openApiOf } from "./openapi.ts"

/** The call that describes the API that it is a call of. */
export function openApiCall(api: () => Api<never>): Call<unknown> {
  let document: OpenApiDocument | undefined
  return call({
    name: "getOpenApi",
    method: "GET",
    path: "/openapi.json",
    right: "read",
    summary: "This document",
    responses: {
      200: {
        description: "An OpenAPI 3.1 document.",
        json: z
          .looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) })
          .meta({ examples: [{ openapi: "3.1.1", info: { title: "Linebacker" }, paths: {} }] }),
      },
    },
    errors: [],
    handle: () => reply(200, (document ??= openApiOf(api()))),
  })
}
