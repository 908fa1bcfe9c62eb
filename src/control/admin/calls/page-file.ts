import * as z from "zod"
import { call } from "../../api/call.ts"
import type { AdminServices } from "../admin-services.ts"
import { fileFields, fileReply, fileResponses, pageFiles } from "../page-files.ts"

export const pageFile = call({
  name: "getPageFile",
  method: "GET",
  path: "/{file}",
  right: "read",
  summary: "What the page loads: its style sheet and scripts",
  parameters: { path: { file: z.enum(pageFiles) }, fields: fileFields },
  responses: fileResponses("text/javascript; charset=utf-8", "text/css; charset=utf-8"),
  errors: [],
  handle: async ({ path, fields }, { asset }: AdminServices) =>
    fileReply(await asset(`/${path.file}`), fields),
})
