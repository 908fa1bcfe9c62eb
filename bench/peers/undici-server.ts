/** The peer "node:http+undici": requests are taken by node:http and passed on by undici's pools. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import type { Writable } from "node:stream"
import { idlePerBackend } from "./peer.ts"
import { choices, forwardedFields, leastConnections, peerPackage, serve } from "./node-server.ts"

interface Request {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: IncomingMessage | null
}

interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
}

interface Undici {
  readonly Pool: new (
    origin: string,
    options: { readonly connections: number },
  ) => {
    /** Writes the body of the response to what the factory returns. */
    stream(request: Request, factory: (answer: Answer) => Writable): Promise<unknown>
  }
}

const { Pool } = peerPackage("undici") as Undici
const pools = choices.map(({ origin }) => new Pool(origin, { connections: idlePerBackend }))

serve((request, response, isTls) => {
  const hasBody =
    request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined
  const { "transfer-encoding": _coding, ...headers } = forwardedFields(request, isTls)
  const sent = { path: request.url!, method: request.method!, headers, body: hasBody ? request : null }
  pools[leastConnections(response)]!.stream(
    sent,
    ({ statusCode, headers: { connection: _connection, "keep-alive": _keepAlive, ...fields } }) => {
      response.writeHead(statusCode, fields)
      return response
    },
  ).catch(() => {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  })
})
