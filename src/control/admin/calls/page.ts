import { call } from "../../api/call.ts"
import type { AdminServices } from "../admin-services.ts"
import { fileFields, fileReply, fileResponses } from "../page-files.ts"

export const page = call({
  name: "getPage",
  method: "GET",
  path: "/",
  right: "read",
  summary: "The page that shows the state",
  parameters: { fields: fileFields },
  responses: fileResponses("text/html; charset=utf-8"),
  errors: [],
  handle: async ({ fields }, { asset }: AdminServices) => fileReply(await asset("/"), fields),
})
