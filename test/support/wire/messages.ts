/** Messages that tests send, and what they look for in those that come back. */
import type { Message, Wire } from "../relay.ts"

export function get(path = "/", more = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
}

export function post(body: string, method = "POST"): string {
  return `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** A 200 with this body; `more` are whole field lines. */
export function ok(body: string, more = ""): string {
  return `HTTP/1.1 200 OK\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** The target of a request. */
export function pathOf({ start }: Message): string {
  return start.split(" ")[1] ?? ""
}

/** The code of a response that the balancer itself has made. */
export function codeOf(response: Message): string {
  return (JSON.parse(response.body.toString()) as { readonly error: { readonly code: string } }).error.code
}

/** Sends the request and returns the status and the body, or the code of the error. */
export async function asked(wire: Wire, request: string): Promise<readonly [number, string]> {
  wire.send(request)
  const response = await wire.response()
  const isOwn = response.status >= 500 && response.field("x-linebacker-backend") === undefined
  return [response.status, isOwn ? codeOf(response) : response.body.toString()]
}
