/** The peer "http-proxy": the package with an agent that keeps connections, as its documentation shows. */
import { Agent, type IncomingMessage, type ServerResponse } from "node:http"
import { idlePerBackend } from "./peer.ts"
import { choices, forwardedFields, leastConnections, peerPackage, serve } from "./node-server.ts"

type Listener<T> = (subject: T, request: IncomingMessage, response: ServerResponse) => void

interface HttpProxy {
  createProxyServer(options: object): {
    web(request: IncomingMessage, response: ServerResponse, options: { readonly target: string }): void
    on(event: "error", listener: Listener<Error>): void
    on(event: "proxyRes", listener: Listener<IncomingMessage>): void
  }
}

const agent = new Agent({ keepAlive: true, maxFreeSockets: idlePerBackend })
const proxy = (peerPackage("http-proxy") as HttpProxy).createProxyServer({ agent })
// It would pass on what the backend says of its own connection.
proxy.on("proxyRes", (answer, _request, response) => {
  answer.headers.connection = response.shouldKeepAlive ? "keep-alive" : "close"
})
proxy.on("error", (_error, _request, response) => {
  if (response.headersSent) response.destroy()
  else response.writeHead(502).end()
})

serve((request, response, isTls) => {
  request.headers = forwardedFields(request, isTls)
  proxy.web(request, response, { target: choices[leastConnections(response)]!.origin })
})
