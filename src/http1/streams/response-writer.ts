/**
 * Hot path: responses as a client of HTTP/1 gets them. A small response is copied behind its head, so that both leave
 * in one plain write. Benchmark: bench/exchange.ts.
 */
import type { MessageHead } from "../../core/http/message-head.ts"
import type { BodyPieces } from "../../core/http/streams.ts"
import {
  chunkEnd,
  chunkSizeLine,
  type DropTable,
  dropTable,
  keepResponseBytes,
  responseBytes,
  responseHeadBytes,
} from "../serialize.ts"
import { lastChunk } from "../trailers.ts"
import { isTunnelProtocol } from "../upgrade.ts"
import type { ClientOutput } from "./client-output.ts"
import type { StreamOptions } from "./context.ts"

/** What comes of a body with its head is copied behind it up to this size. */
const joinBytesMax = 16 * 1024

/** Which fields of a response are for the balancer, or written by itself. */
interface ResponseDrops {
  readonly usual: DropTable
  readonly noLength: DropTable
}

const reportFields = ["endpoint-load-metrics", "endpoint-load-metrics-bin"] as const
const stripping = responseDrops([...reportFields, "x-linebacker-backend"])
const passing = responseDrops(["x-linebacker-backend"])

/** Writes one response after another. */
export class ResponseWriter {
  readonly #output: ClientOutput
  readonly #drops: ResponseDrops
  readonly #upgrades: boolean
  /** The request's method is HEAD. */
  #isHead = false
  /** The client reads chunked framing, as that of HTTP/1.0 does not. */
  #takesChunks = false
  /** Chunked framing has to be put around the body. */
  #chunks = false

  constructor(output: ClientOutput, options: StreamOptions) {
    this.#output = output
    this.#drops = options.response.loadReports === "pass" ? passing : stripping
    this.#upgrades = options.requests.upgrade
  }

  /** The response to a request with this method follows. */
  begin(method: string, takesChunks: boolean): void {
    this.#isHead = method === "HEAD"
    this.#takesChunks = takesChunks
    this.#chunks = false
  }

  /** Only the end of the connection tells a client of HTTP/1.0 where such a body ends. */
  endsByClosing(head: MessageHead, { framing }: BodyPieces): boolean {
    return !this.#takesChunks && (head.chunked || framing === "close")
  }

  /** A 1xx response other than 101. */
  interim(head: MessageHead): void {
    head.upgrade = false
    const length = responseHeadBytes(head, this.#drops.noLength, false, false, "", 0, false)
    this.#output.write(responseBytes.subarray(0, length))
  }

  /** See `ClientStream.respondWhole`. `closes`: the client is told that its connection closes. */
  whole(head: MessageHead, added: string, closes: boolean, bytes: Buffer, from: number, to: number): boolean {
    const output = this.#output
    const bodyBytes = to - from
    const joins = bodyBytes <= joinBytesMax
    const length = this.#head(head, added, false, closes, joins ? bodyBytes : 0)
    const out = responseBytes
    if (joins) {
      if (bodyBytes > 0) bytes.copy(out, length, from, to)
      output.write(out.subarray(0, length + bodyBytes))
    } else {
      output.cork()
      output.write(out.subarray(0, length))
      output.write(bytes.subarray(from, to))
      output.uncork()
    }
    if (output.isHolding) keepResponseBytes()
    return !joins
  }

  /** See `ClientStream.respond`. */
  first(head: MessageHead, added: string, closes: boolean, body: BodyPieces): boolean {
    const output = this.#output
    const bodiless = this.#isHead || head.status === 204 || head.status === 304
    this.#chunks = !bodiless && body.framing === "close" && this.#takesChunks
    const chunked = this.#chunks || (head.chunked && this.#takesChunks && head.status !== 204)

    let bodyBytes = 0
    for (let i = 0; i < body.outputCount; i++) bodyBytes += body.output[i]!.length
    const joins = bodyBytes <= joinBytesMax && !this.#chunks
    let length = this.#head(head, added, chunked, closes, joins ? bodyBytes : 0)
    const out = responseBytes
    if (joins) {
      for (let i = 0; i < body.outputCount; i++) length += body.output[i]!.copy(out, length)
      output.write(out.subarray(0, length))
    } else {
      output.cork()
      output.write(out.subarray(0, length))
      this.more(body)
      output.uncork()
    }
    if (output.isHolding) keepResponseBytes()
    return !joins
  }

  /** More of the body; false when the client is behind. */
  more(body: BodyPieces): boolean {
    const output = this.#output
    let took = true
    if (!this.#chunks) {
      for (let i = 0; i < body.outputCount; i++) if (!output.write(body.output[i]!)) took = false
      return took
    }
    output.cork()
    for (let i = 0; i < body.outputCount; i++) {
      const slice = body.output[i]!
      output.write(chunkSizeLine(slice.length))
      output.write(slice)
      if (!output.write(chunkEnd)) took = false
    }
    output.uncork()
    return took
  }

  /** The body has ended. */
  end(trailers: string): void {
    if (this.#chunks) this.#output.write(lastChunk(trailers, []))
  }

  /** The final head into `responseBytes`, with room behind it; returns its length. */
  #head(head: MessageHead, added: string, chunked: boolean, closes: boolean, room: number): number {
    if (head.upgradeField !== -1 && head.status !== 101) head.upgrade = this.#advertises(head)
    const drops = head.status === 204 || head.status < 200 ? this.#drops.noLength : this.#drops.usual
    return responseHeadBytes(head, drops, chunked, closes, added, room, this.#output.isPrompt)
  }

  /**
   * Whether the client is told of the protocols that the backend names in a response other than 101: in a 426 it has to
   * be (RFC 9110 15.5.22), else only of those that it can have through us (7.8).
   */
  #advertises(head: MessageHead): boolean {
    if (head.status === 426) return true
    return head.upgrade && this.#upgrades && isTunnelProtocol(head)
  }
}

function responseDrops(names: Parameters<typeof dropTable>[0]): ResponseDrops {
  return { usual: dropTable(names, false), noLength: dropTable([...names, "content-length"], false) }
}
