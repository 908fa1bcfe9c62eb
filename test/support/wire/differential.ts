/**
 * Our parsers against llhttp, byte string by byte string. We may refuse what llhttp takes; we must never take what
 * it refuses, and where both take it, both must have read the same.
 */
import { METHODS } from "node:http"
import { type OracleMessage, type OracleReading, oracleRequests, oracleResponse } from "./llhttp.ts"
import { type ReadMessage, readPieces, WireReader } from "./wire-reader.ts"

export interface Verdict {
  /**
   * As it should be: `taken` and `refused` by both; `stricter`: refused by us alone; `excepted`: taken by us alone, on
   * purpose. As it must not be: `looser`: taken by us alone; `apart`: taken by both, and read differently.
   */
  readonly kind: "taken" | "refused" | "stricter" | "excepted" | "looser" | "apart"
  readonly why: string
}

/**
 * What we take and llhttp does not, each with the reason. A line may be added here only with a reason why no
 * reader behind us can take it for something else.
 */
const exceptions: readonly Exception[] = [
  {
    error: "HPE_INVALID_METHOD",
    why: "methods are an open set of tokens (RFC 9110 9.1); llhttp knows a closed list",
    takes: ({ method }) => isUnknown(method),
  },
  {
    error: "HPE_INVALID_CONSTANT",
    why: "to llhttp, SOURCE and the methods of RTSP need another protocol's name in the request line",
    takes: ({ method }) => method === "SOURCE" || isUnknown(method),
  },
  {
    error: "HPE_INVALID_VERSION",
    why: "a higher minor version is read as 1.1 (RFC 9110 2.5), and our own version is what goes on",
    takes: ({ version }) => version !== "1.0" && version !== "1.1",
  },
  {
    error: "HPE_CLOSED_CONNECTION",
    why: "an interim response that says close closes after the final one, which is still to come (RFC 9110 15.2)",
    takes: (_, before) => before !== undefined && before.status >= 100 && before.status < 200,
  },
  ...["HPE_INVALID_TRANSFER_ENCODING", undefined].map((error) => ({
    error,
    why: "a tab around a value is white space (RFC 9110 5.6.3); Transfer-Encoding is written anew",
    takes: ({ fields }: ReadMessage) =>
      fields.some(({ name, blanks }) => name.toLowerCase() === "transfer-encoding" && blanks.includes("\t")),
  })),
  {
    error: "HPE_STRICT",
    why: "recipients must take blanks around a chunk extension (RFC 9112 7.1.1); size lines are written anew",
    takes: ({ framing, raw }) =>
      framing === "chunked" && /(?:^|\n)[0-9a-f]+[^\r\n]*(?:[;=][ \t]|[ \t][;=])/i.test(raw),
  },
]

interface Exception {
  /** What llhttp says; undefined when it waits for the end of the connection. */
  readonly error: string | undefined
  readonly why: string
  readonly takes: (message: ReadMessage, before: ReadMessage | undefined) => boolean
}

/** Methods that llhttp does not know. */
export function isUnknown(method: string): boolean {
  return method !== "" && !METHODS.includes(method)
}

/** Whether it is as it should be. */
export function isGood({ kind }: Verdict): boolean {
  return kind !== "looser" && kind !== "apart"
}

export function compareRequests(bytes: Buffer): Verdict {
  return compare(readPieces("request", [bytes]), oracleRequests(bytes))
}

/** `ends`: the connection ends behind the bytes. */
export async function compareResponses(bytes: Buffer, toHead: boolean, ends: boolean): Promise<Verdict> {
  const ours = new WireReader("response", { toHead, onlyOne: true })
  ours.feed(bytes)
  if (ends) ours.end()
  return compare(ours, await oracleResponse(bytes, toHead, ends))
}

/** Exported for its own test. */
export function compare(ours: WireReader, theirs: OracleReading): Verdict {
  for (const [index, message] of ours.messages.entries()) {
    const other = theirs.messages[index]
    if (other === undefined) return without(message, ours.messages[index - 1], theirs)
    const why = difference(message, other)
    if (why !== undefined) return { kind: "apart", why: `message ${index}: ${why}` }
    if (message.state !== "complete") return incomplete(ours, other, theirs, ours.messages[index - 1])
    if (!other.isComplete) return without(message, ours.messages[index - 1], theirs)
    if (message.data !== other.data)
      return (
        exceptionOf(message, ours.messages[index - 1], theirs) ?? {
          kind: "apart",
          why: `message ${index}: another body`,
        }
      )
    // What follows is another protocol's until the backend has said no: we leave it unread, llhttp drops it.
    if (message.flags.includes("upgrade")) return { kind: "taken", why: "up to Upgrade" }
  }
  return after(ours, theirs)
}

/** We have a message, or more of one, that they have not. */
function without(message: ReadMessage, before: ReadMessage | undefined, theirs: OracleReading): Verdict {
  return exceptionOf(message, before, theirs) ?? missing(theirs)
}

function exceptionOf(
  message: ReadMessage,
  before: ReadMessage | undefined,
  theirs: OracleReading,
): Verdict | undefined {
  const exception = exceptions.find(({ error, takes }) => error === theirs.error && takes(message, before))
  return exception && { kind: "excepted", why: exception.why }
}

function missing({ error }: OracleReading): Verdict {
  return error === undefined
    ? { kind: "apart", why: "they wait for what we have" }
    : { kind: "looser", why: error }
}

function incomplete(
  ours: WireReader,
  other: OracleMessage,
  theirs: OracleReading,
  before: ReadMessage | undefined,
): Verdict {
  if (ours.refused !== undefined) return refused(ours, theirs)
  const last = ours.messages.at(-1)!
  if (theirs.error !== undefined && last.state === "body") return without(last, before, theirs)
  if (!other.isComplete) return { kind: "taken", why: "" }
  return exceptionOf(last, before, theirs) ?? { kind: "apart", why: "we wait for what they have" }
}

/** All of our messages are theirs too. */
function after(ours: WireReader, theirs: OracleReading): Verdict {
  if (ours.done) return { kind: "taken", why: "" }
  if (ours.refused !== undefined) return refused(ours, theirs)
  if (theirs.messages.length > ours.messages.length) return { kind: "apart", why: "they have more messages" }
  // A head that has not all come is no head yet: they may see earlier than we what it will be.
  if (theirs.error !== undefined && !ours.isInHead) return { kind: "looser", why: theirs.error }
  return { kind: "taken", why: "" }
}

function refused(ours: WireReader, theirs: OracleReading): Verdict {
  return { kind: theirs.error === undefined ? "stricter" : "refused", why: ours.refused! }
}

function difference(message: ReadMessage, other: OracleMessage): string | undefined {
  if (message.method !== other.method) return `method ${message.method} or ${other.method}`
  if (message.target !== other.target) return `target ${message.target} or ${other.target}`
  if (message.status !== other.status) return `status ${message.status} or ${other.status}`
  if (message.version !== other.version) return `version ${message.version} or ${other.version}`
  const mine = JSON.stringify(message.fields.map(({ name, value }) => [name, value]))
  const their = JSON.stringify(other.fields)
  return mine === their ? undefined : `fields ${mine} or ${their}`
}
