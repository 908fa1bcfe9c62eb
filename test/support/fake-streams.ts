/** Streams of no protocol, as an exchange sees them: they write down what they are told, and the test says what comes. */
import type { ErrorCode } from "../../src/core/errors.ts"
import type { MessageHead } from "../../src/core/http/message-head.ts"
import type {
  BackendEvents,
  BackendStream,
  BodyPieces,
  ClientStream,
  RequestOrigin,
} from "../../src/core/http/streams.ts"
import { FieldNames } from "../../src/http1/field-names.ts"
import { Head } from "../../src/http1/head.ts"
import { headLimitsDefault } from "../../src/http1/limits.ts"
import { parseRequestHead } from "../../src/http1/request-head.ts"
import { parseResponseHead } from "../../src/http1/response-head.ts"

const names = new FieldNames()

/** A head that any protocol may have brought. */
export function requestHead(text: string): MessageHead {
  return headOf(text, parseRequestHead)
}

export function responseHead(text: string): MessageHead {
  return headOf(text, parseResponseHead)
}

function headOf(text: string, parse: typeof parseRequestHead): MessageHead {
  const head = new Head(headLimitsDefault)
  const bytes = Buffer.from(text, "latin1")
  if (parse(head, bytes, 0, bytes.length, headLimitsDefault, names) < 0) throw new Error(head.error)
  return head
}

export const somewhere: RequestOrigin = {
  isSecure: () => true,
  clientOf: () => "192.0.2.1",
  clientBytesOf: () => Uint8Array.of(192, 0, 2, 1),
}

/** Data alone. */
export function pieces(...texts: readonly string[]): BodyPieces {
  return { framing: "close", output: texts.map((text) => Buffer.from(text)), outputCount: texts.length }
}

function textOf({ output, outputCount }: BodyPieces): string {
  return output.slice(0, outputCount).join("")
}

export class FakeClientStream implements ClientStream {
  readonly ends = undefined
  readonly takesChunks = false
  readonly takesTrailers = true
  readonly isHolding = false
  isBehind = false
  bytesIn = 0
  bytesOut = 0
  /** What it was told, in order. */
  readonly told: string[] = []

  keepHead(head: MessageHead, added: string): Buffer {
    return Buffer.from(`${head.method} ${added}`)
  }
  pause(): void {
    this.told.push("pause")
  }
  resume(): void {
    this.told.push("resume")
  }
  interim(head: MessageHead): void {
    this.told.push(`interim ${head.status}`)
  }
  respondWhole(head: MessageHead, _added: string, bytes: Buffer, from: number, to: number): boolean {
    this.told.push(`respond ${head.status} ${bytes.toString("latin1", from, to)}`)
    return false
  }
  respond(head: MessageHead, _added: string, body: BodyPieces): boolean {
    this.told.push(`respond ${head.status} ${textOf(body)}`)
    return false
  }
  write(body: BodyPieces): boolean {
    this.told.push(`write ${textOf(body)}`)
    return !this.isBehind
  }
  end(trailers: string): void {
    this.told.push(`end ${trailers}`)
  }
  refuse(code: ErrorCode): void {
    this.told.push(`refuse ${code}`)
  }
  release(): void {
    this.told.push("release")
  }
  cut(code: ErrorCode): void {
    this.told.push(`cut ${code}`)
  }
  beginTunnel(): void {
    this.told.push("tunnel")
  }
  writeTunnel(bytes: Buffer): boolean {
    this.told.push(`through ${bytes.toString()}`)
    return !this.isBehind
  }
  endTunnel(): void {
    this.told.push("end of tunnel")
  }
}

export class FakeBackendStream implements BackendStream {
  readonly pool: object
  isReused = true
  hasAnswered = false
  hasTaken = true
  isAuthenticated = false
  isBehind = false
  isPaused = false
  readonly pausedMs = 0
  /** What it was told, in order. */
  readonly told: string[] = []
  /** The exchange that it carries. */
  exchange: BackendEvents | undefined

  constructor(pool: object) {
    this.pool = pool
  }

  start(exchange: BackendEvents): void {
    this.exchange = exchange
    exchange.onBackendReady(this)
  }
  bindTo(): void {
    this.isAuthenticated = true
  }
  send(head: Buffer, hasBody: boolean): boolean {
    this.told.push(`send ${head.toString().trim()}${hasBody ? " and" : ""}`)
    return !this.isBehind
  }
  write(bytes: Buffer): boolean {
    this.told.push(`write ${bytes.toString()}`)
    return !this.isBehind
  }
  cork(): void {}
  uncork(): void {}
  end(): void {
    this.told.push("end")
  }
  pause(): void {
    this.isPaused = true
    this.told.push("pause")
  }
  resume(): void {
    this.isPaused = false
    this.told.push("resume")
  }
  reset(): void {
    this.exchange = undefined
    this.told.push("reset")
  }
  endTunnel(): void {
    this.told.push("end of tunnel")
  }
  finish(): void {
    this.told.push("finish")
  }
  retire(): void {}
}
