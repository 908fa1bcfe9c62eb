/**
 * Wire cases as documents (test/wire/README.md has the notation): a heading says what holds, a block has the bytes,
 * a second block the events that they cause.
 */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { headLimitsDefault, type HostConflicts, type Underscores } from "../../../src/http1/limits.ts"
import { type ReadMessage, type ReadOptions, type Side, WireReader } from "./wire-reader.ts"

export const wireFolder: string = join(import.meta.dirname, "..", "..", "wire")

export interface WireCase {
  /** `file.md:12 heading`, with the line of the bytes. */
  readonly name: string
  readonly prose: string
  readonly side: Side
  readonly options: ReadOptions
  /** The connection ends behind the bytes. */
  readonly ends: boolean
  readonly bytes: Buffer
  /** How many of the first bytes, and of the first events, the document does not show. */
  readonly hiddenBytes: number
  readonly hiddenEvents: number
  readonly events: readonly string[]
}

/** Stands before a block of `chunked`, which shows the body alone. */
const chunkedHead = Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
const chunkedHeadEvents = 4

/** The cases of every document in the folder. */
export function wireCases(): WireCase[] {
  return readdirSync(wireFolder)
    .filter((file) => file.endsWith(".md") && file !== "README.md")
    .sort()
    .flatMap((file) => casesOf(file, readFileSync(join(wireFolder, file), "utf8")))
}

/** The cases of one document. Any mistake in its notation fails: a case that is not run would be a lie. */
export function casesOf(file: string, text: string): WireCase[] {
  const cases: WireCase[] = []
  let heading = ""
  let bytesLine = 0
  let prose: string[] = []
  let input: { readonly info: string; readonly bytes: Buffer } | undefined
  const lines = text.split("\n")
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!
    const at = `${file}:${index + 1}`
    if (line.startsWith("#")) {
      assert.equal(input, undefined, `${at}: the case above has no events`)
      heading = line.replace(/^#+ /, "")
      prose = []
    } else if (line.startsWith("```")) {
      const end = lines.indexOf("```", index + 1)
      assert.ok(end !== -1, `${at}: the block has no end`)
      const block = lines.slice(index + 1, end)
      const info = line.slice(3).trim()
      if (info === "events") {
        assert.ok(input !== undefined, `${at}: events without bytes`)
        const name = `${file}:${bytesLine} ${heading}`
        cases.push(caseOf(name, prose.join(" "), input.info, input.bytes, block))
        input = undefined
      } else {
        assert.equal(input, undefined, `${at}: bytes without events`)
        input = { info, bytes: bytesOf(block.join("")) }
        bytesLine = index + 1
      }
      index = end
    } else prose.push(line)
  }
  assert.equal(input, undefined, `${file}: the last case has no events`)
  return cases
}

function caseOf(name: string, prose: string, info: string, shown: Buffer, events: string[]): WireCase {
  const [kind = "", ...words] = info.split(" ")
  assert.ok(["request", "response", "chunked"].includes(kind), `${name}: a block of ${JSON.stringify(kind)}`)
  let ends = false
  let toHead = false
  let trailers = false
  let { underscores }: { underscores: Underscores } = headLimitsDefault
  let { hostConflicts }: { hostConflicts: HostConflicts } = headLimitsDefault
  for (const word of words) {
    if (word === "ends") ends = true
    else if (word === "to-HEAD") toHead = true
    else if (word === "trailers") trailers = true
    else if (word === "underscores=pass") underscores = "pass"
    else if (word === "underscores=reject") underscores = "reject"
    else if (word === "underscores=drop") underscores = "drop"
    else if (word === "hostConflicts=none") hostConflicts = "none"
    else if (word === "hostConflicts=all") hostConflicts = "all"
    else assert.fail(`${name}: ${JSON.stringify(word)} means nothing`)
  }
  const isBody = kind === "chunked"
  return {
    name,
    prose,
    side: kind === "response" ? "response" : "request",
    options: { toHead, trailers, limits: { ...headLimitsDefault, underscores, hostConflicts } },
    ends,
    bytes: isBody ? Buffer.concat([chunkedHead, shown]) : shown,
    hiddenBytes: isBody ? chunkedHead.length : 0,
    hiddenEvents: isBody ? chunkedHeadEvents : 0,
    events,
  }
}

const escapes: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", 0: "\0", "\\": "\\" }

/** Line breaks of the document are layout; the bytes' own are written. */
function bytesOf(text: string): Buffer {
  const bytes = text.replace(
    /\\(?:x([0-9a-f]{2})|\{(\d+) ([^}]*)\}|(.))/g,
    (whole, hex, times, repeated, char) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      if (times !== undefined) return bytesOf(repeated).toString("latin1").repeat(Number(times))
      const escaped = escapes[char]
      assert.ok(escaped !== undefined, `${whole} is no escape`)
      return escaped
    },
  )
  return Buffer.from(bytes, "latin1")
}

/** What the pieces cause, as the documents write it. */
export function eventsOf(
  { side, options, ends, hiddenEvents }: WireCase,
  pieces: readonly Buffer[],
): string[] {
  const reader = new WireReader(side, options)
  for (const piece of pieces) reader.feed(piece)
  if (ends) reader.end()
  const events: string[] = []
  for (const message of reader.messages) events.push(...messageEvents(side, message))
  if (reader.refused !== undefined) events.push(`refused ${reader.refused}`)
  else if (reader.isInHead) events.push("waits for the head")
  else if (reader.messages.at(-1)?.state === "body") events.push("waits for the body")
  return events.slice(hiddenEvents)
}

function messageEvents(side: Side, message: ReadMessage): string[] {
  const { minor, method, target, path, status, reason, flags, framing, length, data, trailers, state } =
    message
  const events =
    side === "request"
      ? [`${method} ${escaped(path)} HTTP/1.${minor}`]
      : [`HTTP/1.${minor} ${status} ${escaped(reason)}`.trimEnd()]
  if (side === "request" && path !== target) events.push(`target ${escaped(target)}`)
  for (const { name, value, hop } of message.fields) {
    events.push(`${hop ? "stays" : "field"} ${name}: ${escaped(value)}`.trimEnd())
  }
  for (const flag of flags) events.push(`says ${flag}`)
  if (framing === "length") events.push(`body of ${length}`)
  else if (framing === "chunked") events.push("body in chunks")
  else if (framing === "close") events.push("body until the close")
  if (state === "body") return events
  if (data !== "") events.push(`data ${escaped(data)}`)
  for (const trailer of trailers.split("\r\n"))
    if (trailer !== "") events.push(`trailer ${escaped(trailer)}`.trimEnd())
  events.push(state === "complete" ? "end" : "cut")
  return events
}

/** One line, whatever the bytes; long runs are counted. */
function escaped(text: string): string {
  return Array.from(text, escapedChar)
    .join("")
    .replace(/([^\\])\1{39,}/g, (run, char: string) => `\\{${run.length} ${char}}`)
}

function escapedChar(char: string): string {
  const byte = char.charCodeAt(0)
  if (byte >= 0x20 && byte < 0x7f && char !== "\\") return char
  const known = Object.keys(escapes).find((letter) => escapes[letter] === char)
  return `\\${known ?? `x${byte.toString(16).padStart(2, "0")}`}`
}
