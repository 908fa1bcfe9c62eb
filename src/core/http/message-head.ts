/**
 * Hot path: one message head as offsets into the bytes it came in. Nothing is copied, no object is made per field; a
 * thread keeps one head for requests and one for responses and fills it again for every message, so a head is read in
 * the turn in which it came.
 *
 * The bytes have the form of HTTP/1.1 whatever the client or the backend speaks: a start line, field lines, an empty
 * line. HTTP/1 leaves them where they came in. A protocol with another form writes this one and fills the offsets
 * beside it; pseudo-fields go into the start line and Host. Benchmark: bench/head.ts.
 */
export class MessageHead {
  /** The bytes that all offsets point into. */
  bytes: Buffer = Buffer.alloc(0)
  /** First byte of the start line. */
  start = 0
  /** First byte of the first field line. */
  fieldsStart = 0
  /** The byte after the empty line. */
  end = 0

  /** Number of field lines. */
  count = 0
  /** Four offsets a field: name start, name end, value start, value end (white space trimmed). */
  readonly offsets: Int32Array
  /** The id of each field's name (core/http/fields.ts). */
  readonly ids: Uint8Array
  /** 1 for each field that ends at this hop (RFC 9110 7.6.1). */
  readonly hopByHop: Uint8Array

  /** 0 or 1 of HTTP/1.x; a higher minor counts as 1 (RFC 9110 2.5). */
  minor: 0 | 1 = 1
  /** From Content-Length; -1 when there is none. */
  contentLength = -1
  /** Transfer-Encoding ends in `chunked`; in a request it says nothing else. */
  chunked = false
  /** Expect: 100-continue. */
  expectsContinue = false
  /** It asks for another protocol, or grants one: Upgrade, and Connection says so, in HTTP/1.1 (RFC 9110 7.8). */
  upgrade = false
  /** TE lists `trailers`: the sender takes a trailer section (RFC 9110 10.1.4). */
  teTrailers = false
  /** It has credentials, or challenges for some, that count for the whole connection (RFC 4559 6). */
  bindsConnection = false
  /** Index of the first such field, or -1. */
  hostField = -1
  dateField = -1
  upgradeField = -1
  /** Responses only: the Transfer-Encoding field if it names codings that are to reach the client, or -1. */
  codingField = -1
  /** The first field with a load report, in text or binary, or -1. */
  reportField = -1

  /** Requests only. */
  method = ""
  targetStart = 0
  targetEnd = 0
  /** The authority of a target in absolute form; empty in every other form. */
  authorityStart = 0
  authorityEnd = 0
  /** The path and query to send on; equal to the target unless that was in absolute form. */
  pathStart = 0
  pathEnd = 0

  /** Responses only; 0 in a request. */
  status = 0
  reasonStart = 0
  reasonEnd = 0

  /** @param fieldsMax how many field lines it has room for */
  constructor(fieldsMax: number) {
    this.offsets = new Int32Array(fieldsMax * 4)
    this.ids = new Uint8Array(fieldsMax)
    this.hopByHop = new Uint8Array(fieldsMax)
  }

  /** The value of a field as text (latin1: one char a byte). Cold. */
  value(field: number): string {
    return this.bytes.toString("latin1", this.offsets[field * 4 + 2], this.offsets[field * 4 + 3])
  }

  /** Requests only: the authority that it is for, the target's before that of Host (RFC 9112 3.3). Cold. */
  authority(): string | undefined {
    if (this.authorityEnd > this.authorityStart)
      return this.bytes.toString("latin1", this.authorityStart, this.authorityEnd)
    return this.hostField === -1 ? undefined : this.value(this.hostField)
  }

  /** The first field with this name id, or -1. */
  find(id: number): number {
    for (let i = 0; i < this.count; i++) if (this.ids[i] === id) return i
    return -1
  }

  /** The values of this field and of those behind it with the same name, as one list (RFC 9110 5.3). Cold. */
  list(field: number): string {
    let list = this.value(field)
    for (let i = field + 1; i < this.count; i++) {
      if (this.ids[i] !== this.ids[field]) continue
      const value = this.value(i)
      list = list === "" || value === "" ? list + value : `${list}, ${value}`
    }
    return list
  }

  /** Forgets the message before: to be called by the parsers only. */
  reset(bytes: Buffer, start: number): void {
    this.bytes = bytes
    this.start = start
    this.count = 0
    this.minor = 1
    this.method = ""
    this.status = 0
    this.contentLength = -1
    this.chunked = false
    this.expectsContinue = false
    this.upgrade = false
    this.teTrailers = false
    this.bindsConnection = false
    this.hostField = -1
    this.dateField = -1
    this.upgradeField = -1
    this.codingField = -1
    this.reportField = -1
    this.authorityStart = 0
    this.authorityEnd = 0
  }
}

/** The value of the first field with this name, given in lower case, in a trailer section; undefined when there is none. */
export function trailerValue(section: string, name: string): string | undefined {
  for (let start = 0; start < section.length;) {
    const end = section.indexOf("\r\n", start)
    const colon = section.indexOf(":", start)
    if (section.slice(start, colon).toLowerCase() === name) {
      return section
        .slice(colon + 1, end)
        .replace(/^[ \t]+/, "")
        .trimEnd()
    }
    start = end + 2
  }
  return undefined
}
