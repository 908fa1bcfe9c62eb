/**
 * Hot path: a request's head as it goes to any backend. It is made once, in the turn in which the head came, with what
 * this hop adds to it. Benchmark: bench/exchange.ts.
 */
import { type ConnectionEnds, formatEndpoint, plainIp } from "../../core/endpoint.ts"
import { defaultPorts } from "../../core/host.ts"
import type { MessageHead } from "../../core/http/message-head.ts"
import type { ClientStream, RequestOrigin } from "../../core/http/streams.ts"
import { type DropTable, type LineWriter, requestHeadBytes } from "../serialize.ts"

/** What the requests of one client connection say of where they come from. */
export interface Forwarding extends RequestOrigin {
  /** Which fields of the request are left out. Holds for the head of the last `fieldsFor`. */
  readonly drops: DropTable
  /** The field lines that say where the request came from, each with its CRLF; latin1. */
  fieldsFor(head: MessageHead): string
}

export interface KeptHeadParts {
  /** The pseudonym in Via. */
  readonly options: { readonly name: string }
  /** The Host of a request that names none; undefined: the address that its client has connected to. */
  readonly hostDefault: Buffer | undefined
  readonly requestIds: LineWriter
}

const nothing = Buffer.alloc(0)

/** @param added whole field lines for this request only, latin1 */
export function keptHead(
  head: MessageHead,
  added: string,
  forwarding: Forwarding,
  client: ClientStream,
  parts: KeptHeadParts,
): Buffer {
  const origin = forwarding.fieldsFor(head)
  const host = head.hostField === -1 ? hostOf(head, forwarding, client, parts) : nothing
  return requestHeadBytes(head, forwarding.drops, origin, added, parts.requestIds, host)
}

/** The authority of a request that names none, from what is known of its connection (RFC 9112 3.3). Cold. */
function hostOf(
  head: MessageHead,
  forwarding: Forwarding,
  { ends }: ClientStream,
  { hostDefault, options }: KeptHeadParts,
): Buffer {
  if (hostDefault !== undefined) return hostDefault
  return Buffer.from(reachedHost(ends, forwarding.isSecure(head)) ?? options.name, "latin1")
}

/** What the client has connected to, without the port that its scheme has anyway. */
function reachedHost(ends: ConnectionEnds | undefined, isSecure: boolean): string | undefined {
  const reached = ends?.destination
  if (reached === undefined || "path" in reached) return undefined
  const text = formatEndpoint({ host: plainIp(reached.host), port: reached.port })
  const isUsual = reached.port === defaultPorts[isSecure ? "https" : "http"]
  return isUsual ? text.slice(0, text.lastIndexOf(":")) : text
}
