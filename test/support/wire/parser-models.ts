/**
 * Parsers as they are found behind balancers, each lenient in ways of its own. What a balancer forwards must mean the
 * same to all of them: where two read different requests, an attacker chooses which.
 *
 * One reader with knobs; a model is a setting of them. The models follow the bugs that smuggler, T-Reqs and the HTTP
 * Garden have found in servers.
 */
import { oracleRequests } from "./llhttp.ts"

export interface Model {
  readonly name: string
  /** Every request in the bytes as `METHOD target body`; a last line says when not all of them is requests. */
  readonly read: (bytes: Buffer) => readonly string[]
}

interface Knobs {
  /** What ends a line of the head. */
  readonly lineEnd: RegExp
  /** What is white space around names and values. */
  readonly blank: RegExp
  /** A line that begins with white space continues the one before. */
  readonly joinsFolds: boolean
  /** Values end at NUL. */
  readonly endsAtNul: boolean
  /** Underscores in names are hyphens. */
  readonly likesCgi: boolean
  /** Bytes from 0x80 on are taken for those below. */
  readonly sevenBits: boolean
  /** Whether a value of Transfer-Encoding means chunked. */
  readonly isChunked: (value: string) => boolean
  /** Which field counts when both frame the body. */
  readonly wins: "te" | "cl"
  /** Which Content-Length counts; also of a list. */
  readonly length: "first" | "last"
}

const strict: Knobs = {
  lineEnd: /\r\n/,
  blank: /[ \t]/,
  joinsFolds: false,
  endsAtNul: false,
  likesCgi: false,
  sevenBits: false,
  isChunked: (value) => value.toLowerCase() === "chunked",
  wins: "te",
  length: "first",
}

/** How the others read what the first one reads by the book. */
export const models: readonly Model[] = [
  model("by the book", {}),
  model("Content-Length wins", { wins: "cl" }),
  model("the last Content-Length counts", { wins: "cl", length: "last" }),
  model("LF ends lines", { lineEnd: /\r?\n/ }),
  model("CR ends lines", { lineEnd: /\r\n?|\n/ }),
  model("chunked anywhere", { isChunked: (value) => /chunked/i.test(value) }),
  model("chunked at the beginning", { isChunked: (value) => /^chunked/i.test(value) }),
  model("chunked as the last of a list", { isChunked: (value) => /(?:^|[, ])chunked$/i.test(value) }),
  model("any Transfer-Encoding is chunked", { isChunked: () => true }),
  model("case counts", { isChunked: (value) => value === "chunked" || value === "Chunked" }),
  model("control bytes are white space", { blank: /[\0-\x20\x7f]/ }),
  model("all but visible ASCII is white space", { blank: /[^\x21-\x7e]/ }),
  model("folds are joined", { joinsFolds: true }),
  model("values end at NUL", { endsAtNul: true }),
  model("underscores are hyphens", { likesCgi: true }),
  model("seven bits", { sevenBits: true, blank: /[\0-\x20\x7f]/ }),
  model("lenient in everything", {
    lineEnd: /\r?\n/,
    blank: /[\0-\x20\x7f-\xff]/,
    joinsFolds: true,
    likesCgi: true,
    isChunked: (value) => /chunked/i.test(value),
  }),
  { name: "llhttp", read: (bytes) => readByLlhttp(bytes, false) },
  { name: "llhttp, lenient", read: (bytes) => readByLlhttp(bytes, true) },
]

/** The models that read other requests than the first one does. */
export function dissenters(bytes: Buffer): readonly string[] {
  const [first, ...others] = models
  const expected = JSON.stringify(first!.read(bytes))
  return others.filter(({ read }) => JSON.stringify(read(bytes)) !== expected).map(({ name }) => name)
}

function model(name: string, change: Partial<Knobs>): Model {
  const knobs = { ...strict, ...change }
  return { name, read: (bytes) => readBy(knobs, bytes.toString("latin1")) }
}

function readByLlhttp(bytes: Buffer, isLenient: boolean): string[] {
  const { messages, error } = oracleRequests(bytes, isLenient)
  const requests = messages.map(({ method, target, data, isComplete }) =>
    isComplete ? described(method, target, data) : "incomplete",
  )
  return error === undefined ? requests : [...requests, "refused"]
}

function described(method: string, target: string, body: string): string {
  return `${method} ${target} ${JSON.stringify(body)}`
}

function readBy(knobs: Knobs, text: string): string[] {
  const requests: string[] = []
  let rest = text
  while (rest !== "") {
    const head = headOf(knobs, rest)
    if (head === undefined) return [...requests, "incomplete"]
    const [method = "", target = "", version] = head.start.split(" ")
    if (version === undefined) return [...requests, "refused"]
    const body = bodyOf(knobs, head, rest.slice(head.length))
    if (body === undefined) return [...requests, "incomplete"]
    requests.push(described(method, target, body.data))
    rest = rest.slice(head.length + body.length)
  }
  return requests
}

interface ModelHead {
  readonly start: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly length: number
}

/** The head at the start of the text, up to and with the empty line. */
function headOf(knobs: Knobs, text: string): ModelHead | undefined {
  const lines: string[] = []
  let length = 0
  for (;;) {
    const end = knobs.lineEnd.exec(text.slice(length))
    if (end === null) return undefined
    const line = text.slice(length, length + end.index)
    length += end.index + end[0].length
    if (line === "") break
    if (knobs.joinsFolds && /^[ \t]/.test(line) && lines.length > 1) lines.push(lines.pop()! + line)
    else lines.push(line)
  }
  const [start = "", ...rest] = lines
  return { start, fields: rest.map((line) => fieldOf(knobs, line)), length }
}

function fieldOf(knobs: Knobs, text: string): readonly [name: string, value: string] {
  const line = knobs.sevenBits ? Buffer.from(text, "latin1").toString("ascii") : text
  const colon = line.indexOf(":")
  if (colon === -1) return ["", ""]
  const name = trimmed(knobs, line.slice(0, colon)).toLowerCase()
  const value = trimmed(knobs, line.slice(colon + 1))
  return [
    knobs.likesCgi ? name.replaceAll("_", "-") : name,
    knobs.endsAtNul ? value.split("\0", 1)[0]! : value,
  ]
}

function trimmed({ blank }: Knobs, text: string): string {
  let start = 0
  let end = text.length
  while (start < end && blank.test(text[start]!)) start++
  while (end > start && blank.test(text[end - 1]!)) end--
  return text.slice(start, end)
}

interface ModelBody {
  readonly data: string
  readonly length: number
}

function bodyOf(knobs: Knobs, { fields }: ModelHead, text: string): ModelBody | undefined {
  const isChunked = fields.some(([name, value]) => name === "transfer-encoding" && knobs.isChunked(value))
  const lengths = fields
    .filter(([name]) => name === "content-length")
    .flatMap(([, value]) => value.split(","))
    .map((value) => Number.parseInt(value, 10))
    .filter((value) => Number.isInteger(value))
  const size = knobs.length === "first" ? lengths[0] : lengths.at(-1)
  if (isChunked && (knobs.wins === "te" || size === undefined)) return chunksOf(knobs, text)
  if (size === undefined || size < 0) return { data: "", length: 0 }
  return text.length < size ? undefined : { data: text.slice(0, size), length: size }
}

/** Reads sizes as `parseInt` does, and skips two bytes behind the data without a look. */
function chunksOf(knobs: Knobs, text: string): ModelBody | undefined {
  let data = ""
  for (let at = 0; ;) {
    const end = knobs.lineEnd.exec(text.slice(at))
    if (end === null) return undefined
    const size = Number.parseInt(text.slice(at, at + end.index), 16)
    const from = at + end.index + end[0].length
    if (!(size > 0)) {
      const trailer = text.startsWith("\r\n", from) ? 2 : headOf(knobs, text.slice(from))?.length
      return trailer === undefined ? undefined : { data, length: from + trailer }
    }
    if (text.length < from + size + 2) return undefined
    data += text.slice(from, from + size)
    at = from + size + 2
  }
}
