/**
 * llhttp as an oracle: the parser inside `node:http`, reached without sockets. Its connections are handed a Duplex,
 * and the bytes come as one read.
 */
import { ClientRequest, createServer, type IncomingMessage } from "node:http"
import { Duplex } from "node:stream"

export interface OracleMessage {
  readonly method: string
  readonly target: string
  readonly status: number
  readonly version: string
  /** Names and values as they came. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly data: string
  readonly isComplete: boolean
}

export interface OracleReading {
  readonly messages: readonly OracleMessage[]
  /** llhttp's code, when it refused. */
  readonly error: string | undefined
}

/** A connection that takes what is written and says nothing by itself. */
class Wire extends Duplex {
  received: IncomingMessage[] = []
  error: string | undefined

  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
}

const headBytesMax = 1 << 20

function keep(request: IncomingMessage): void {
  const wire = request.socket as unknown as Wire
  wire.received.push(request)
}

/** One server for all: requests arrive at it and are kept, without a response. */
function serverOf(isLenient: boolean): (wire: Wire) => void {
  const options = {
    insecureHTTPParser: isLenient,
    maxHeaderSize: headBytesMax,
    requireHostHeader: false,
    connectionsCheckingInterval: 2 ** 31 - 1,
    // Asked for or not, every request is read as HTTP to its end.
    shouldUpgradeCallback: () => false,
  }
  const server = createServer(options)
  for (const event of ["request", "checkContinue", "checkExpectation", "connect"]) server.on(event, keep)
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const wire = socket as unknown as Wire
    wire.error ??= error.code ?? error.message
  })
  return (wire) => void server.emit("connection", wire)
}

const strict = serverOf(false)
const lenient = serverOf(true)

/** The requests in the bytes, as llhttp reads them; `isLenient` is how it reads with `insecureHTTPParser`. */
export function oracleRequests(bytes: Buffer, isLenient = false): OracleReading {
  const wire = new Wire()
  if (isLenient) lenient(wire)
  else strict(wire)
  wire.emit("data", bytes)
  const reading = { messages: wire.received.map(taken), error: wire.error }
  wire.destroy()
  return reading
}

/** The interim responses and the final one, as llhttp reads them. `ends`: the connection ends behind the bytes. */
export async function oracleResponse(bytes: Buffer, toHead: boolean, ends: boolean): Promise<OracleReading> {
  const wire = new Wire()
  const request = new ClientRequest({
    method: toHead ? "HEAD" : "GET",
    maxHeaderSize: headBytesMax,
    createConnection: () => wire,
  })
  const heads: OracleMessage[] = []
  let final: IncomingMessage | undefined
  request.on("information", ({ statusCode, httpVersion, rawHeaders }) => {
    heads.push({ ...blank, status: statusCode, version: httpVersion, fields: pairs(rawHeaders) })
  })
  request.on("response", (response) => {
    final = response
  })
  request.on("upgrade", (response) => {
    heads.push({ ...taken(response), isComplete: true })
  })
  request.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code?.startsWith("HPE_") === true) wire.error ??= error.code
  })
  request.end()
  await new Promise((resolve) => process.nextTick(resolve))
  wire.emit("data", bytes)
  if (ends) wire.emit("end")
  // An error goes by way of the request's own end.
  await new Promise((resolve) => process.nextTick(resolve))
  const messages = final === undefined ? heads : [...heads, taken(final)]
  request.on("error", () => {})
  final?.on("error", () => {})
  wire.destroy()
  return { messages, error: wire.error }
}

const blank: OracleMessage = {
  method: "",
  target: "",
  status: 0,
  version: "",
  fields: [],
  data: "",
  isComplete: true,
}

function taken(message: IncomingMessage): OracleMessage {
  const data: Buffer[] = []
  for (;;) {
    const chunk = message.read() as Buffer | null
    if (chunk === null) break
    data.push(chunk)
  }
  return {
    method: message.method ?? "",
    target: message.url ?? "",
    status: message.statusCode ?? 0,
    version: message.httpVersion,
    fields: pairs(message.rawHeaders),
    data: Buffer.concat(data).toString("latin1"),
    isComplete: message.complete,
  }
}

function pairs(raw: readonly string[]): [name: string, value: string][] {
  const fields: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) fields.push([raw[i]!, raw[i + 1]!])
  return fields
}
