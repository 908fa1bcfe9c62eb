/** The peer "http-proxy": the package with an agent that keeps connections, as its documentation shows. */
import { Agent, type IncomingMessage, type ServerResponse } from "node:http"
import { idlePerBackend } from "./peer.ts"
import { choices, forwardedFields, leastConnections, peerPackage, serve } from "./node-server.ts"

interface HttpProxy {
  createProxyServer(options: object): {
    web(request: IncomingMessage, response: ServerResponse, options: { readonly target: string }): void
    on(
      event: "error",
      listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void,
    ): void
  }
}

const agent = new Agent({ keepAlive: true, maxFreeSockets: idlePerBackend })
const proxy = (peerPackage("http-proxy") as HttpProxy).createProxyServer({ agent })
proxy.on("error", (_error, _request, response) => {
  if (response.headersSent) response.destroy()
  else response.writeHead(502).end()
})

serve((request, response, isTls) => {
  request.headers = forwardedFields(request, isTls)
  proxy.web(request, response, { target: choices[leastConnections(response)]!.origin })
})
