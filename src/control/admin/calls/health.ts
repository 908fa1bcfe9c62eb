import { call, reply } from "../../api/call.ts"

export const health = call({
  name: "isAlive",
  method: "GET",
  path: "/healthz",
  right: "open",
  summary: "Whether the control plane runs",
  responses: { 200: { description: "It does.", media: ["text/plain; charset=UTF-8"] } },
  errors: [],
  handle: () => reply(200, "ok\n"),
})
