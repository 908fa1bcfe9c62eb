/**
 * What reading and writing heads and bodies costs, in nanoseconds: `npm run bench:head`.
 *
 * Each subject has a thread of its own, so that what one teaches the compiler does not slow the next. The first
 * row of a table is the floor: how long the platform takes to find where the head ends, and nothing more.
 */
import { once } from "node:events"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { BodyReader, bodyLimitsDefault } from "../src/http1/body.ts"
import { FieldNames } from "../src/http1/field-names.ts"
import { Head } from "../src/http1/head.ts"
import { headLimitsDefault } from "../src/http1/limits.ts"
import { parseRequestHead } from "../src/http1/request-head.ts"
import { parseResponseHead } from "../src/http1/response-head.ts"
import { dropTable, requestHeadBytes, responseHeadBytes } from "../src/http1/serialize.ts"
import { machineText, thisMachine } from "./measuring/machine.ts"
import { RequestIds } from "../src/proxy/entrance/request-ids.ts"
import { nanosPerCall } from "./measuring/nanos.ts"
import { type Finding, textOf } from "./measuring/report.ts"
import { browserFields } from "./measuring/requests.ts"
import type { Spread } from "./measuring/statistics.ts"

const names = new FieldNames(["Compute", "Storage"])
const drop = dropTable(["x-forwarded-host", "x-forwarded-proto", "linebacker-demand"], true)
const constant = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nVia: 1.1 linebacker\r\n"
const hostDefault = latin1("localhost")
const date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

const browserHead = headOf("GET /small HTTP/1.1", ["Host: 127.0.0.1:12345", ...browserFields])
const bareHead = headOf("GET / HTTP/1.1", ["Host: a"])
const smallAnswer = headOf("HTTP/1.1 200 OK", [
  "Server: nginx",
  "Date: Sun, 06 Nov 1994 08:49:37 GMT",
  "Content-Type: text/plain",
  "Content-Length: 33",
  "Connection: keep-alive",
])
const pageAnswer = headOf("HTTP/1.1 200 OK", [
  "Date: Sun, 06 Nov 1994 08:49:37 GMT",
  "Content-Type: text/html; charset=utf-8",
  "Content-Length: 10240",
  "Connection: keep-alive",
  "Cache-Control: private, max-age=0, must-revalidate",
  'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
  "Vary: Accept-Encoding, Cookie",
  "Set-Cookie: session=8f14e45fceea167a; Path=/; HttpOnly; Secure; SameSite=Lax",
  "Strict-Transport-Security: max-age=31536000; includeSubDomains",
  "X-Content-Type-Options: nosniff",
])

/** What is called again and again, by name. Made in the thread that times it. */
const subjects: Readonly<Record<string, () => () => number>> = {
  [`request, browser's ${browserHead.length} bytes: end found`]: () => () => browserHead.indexOf("\r\n\r\n"),
  [`request, browser's ${browserHead.length} bytes: parsed`]: () => parsing(parseRequestHead, browserHead),
  [`request, browser's ${browserHead.length} bytes: written`]: () => writingRequest(browserHead),
  [`request, bare ${bareHead.length} bytes: parsed`]: () => parsing(parseRequestHead, bareHead),
  [`request, bare ${bareHead.length} bytes: written`]: () => writingRequest(bareHead),
  [`response, small ${smallAnswer.length} bytes: end found`]: () => () => smallAnswer.indexOf("\r\n\r\n"),
  [`response, small ${smallAnswer.length} bytes: parsed`]: () => parsing(parseResponseHead, smallAnswer),
  [`response, small ${smallAnswer.length} bytes: written`]: () => writingResponse(smallAnswer, ""),
  [`response, page's ${pageAnswer.length} bytes: parsed`]: () => parsing(parseResponseHead, pageAnswer),
  [`response, page's ${pageAnswer.length} bytes: written`]: () => writingResponse(pageAnswer, date),
  "body with a length, 64 KiB in one piece": () => reading("length", Buffer.alloc(65_536, "x"), 65_536),
  "chunked body, 16 KiB in one chunk": () => reading("chunked", chunked(16_384, 16_384), 0),
  "chunked body, 16 KiB in chunks of 1 KiB": () => reading("chunked", chunked(16_384, 1_024), 0),
  "chunked body, 16 KiB in chunks of 16 bytes": () => reading("chunked", chunked(16_384, 16), 0),
}

type Parser = typeof parseRequestHead

function parsing(parser: Parser, bytes: Buffer): () => number {
  const head = parsed(parser, bytes)
  return () => parser(head, bytes, 0, bytes.length, headLimitsDefault, names) + head.count
}

function writingRequest(bytes: Buffer): () => number {
  const head = parsed(parseRequestHead, bytes)
  const ids = new RequestIds("0123456789abcdef")
  return () => requestHeadBytes(head, drop, constant, "", ids, hostDefault).length
}

function writingResponse(bytes: Buffer, added: string): () => number {
  const head = parsed(parseResponseHead, bytes)
  return () => responseHeadBytes(head, drop, false, false, added, 0, true)
}

function reading(framing: "length" | "chunked", bytes: Buffer, length: number): () => number {
  const reader = new BodyReader(bodyLimitsDefault)
  const read = (): number => {
    reader.begin(framing, length, false)
    return reader.read(bytes, 0, bytes.length) + reader.outputCount
  }
  read()
  if (reader.state !== "complete") throw new Error(`the body is ${reader.state}`)
  return read
}

/** What is timed must be the way of valid messages. */
function parsed(parser: Parser, bytes: Buffer): Head {
  const head = new Head(headLimitsDefault)
  const end = parser(head, bytes, 0, bytes.length, headLimitsDefault, names)
  if (end !== bytes.length) throw new Error(`a head is refused: ${head.error}`)
  return head
}

function headOf(start: string, lines: readonly string[]): Buffer {
  return latin1(`${[start, ...lines].join("\r\n")}\r\n\r\n`)
}

function chunked(bytes: number, chunk: number): Buffer {
  return latin1(`${`${chunk.toString(16)}\r\n${"x".repeat(chunk)}\r\n`.repeat(bytes / chunk)}0\r\n\r\n`)
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1")
}

async function inOwnThread(subject: string): Promise<Spread> {
  const worker = new Worker(new URL(import.meta.url), { workerData: subject })
  const [spread] = (await once(worker, "message")) as [Spread]
  return spread
}

/** One row a subject. */
export async function headFinding(): Promise<Finding> {
  const rows: string[][] = []
  const data: Record<string, Spread> = {}
  for (const name of Object.keys(subjects)) {
    const spread = await inOwnThread(name)
    data[name] = spread
    rows.push([name, spread.median.toFixed(0), `${spread.min.toFixed(0)}–${spread.max.toFixed(0)}`])
  }
  return {
    name: "head",
    title: "Heads and bodies, nanoseconds",
    head: ["", "ns", "min–max"],
    rows,
    remarks: [],
    isValid: true,
    data,
  }
}

if (!isMainThread) parentPort?.postMessage(nanosPerCall(subjects[workerData as string]!()))
else if (import.meta.main) console.log(`${machineText(thisMachine())}\n${textOf(await headFinding())}`)
