/**
 * The binary form of a load report: base64 of the protobuf message `xds.data.orca.v3.OrcaLoadReport`. Only what that
 * message needs of the encoding is here; unknown fields are skipped as the encoding says.
 *
 * @see protobuf.dev, "Encoding", for varints, tags and wire types; RFC 4648 4 and 5 for the base64 alphabets.
 */

/** The single numbers of a report, by their names in the protobuf definition. */
export type ScalarName =
  | "cpu_utilization"
  | "mem_utilization"
  | "application_utilization"
  | "rps_fractional"
  | "eps"
  | "rps"

/** The maps of a report. */
export type MapName = "request_cost" | "utilization" | "named_metrics"

/** Takes what is read, whatever the format. */
export interface ReportSink {
  scalar(name: ScalarName, value: number): void
  entry(map: MapName, key: string, value: number): void
}

const scalars: ReadonlyMap<number, ScalarName> = new Map([
  [1, "cpu_utilization"],
  [2, "mem_utilization"],
  [6, "rps_fractional"],
  [7, "eps"],
  [9, "application_utilization"],
])
const rpsField = 3
const maps: ReadonlyMap<number, MapName> = new Map([
  [4, "request_cost"],
  [5, "utilization"],
  [8, "named_metrics"],
])
const keyField = 1
const valueField = 2

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

/**
 * Reads the base64 text of a message into `sink`. False when the text is no base64 or the bytes are no message; what
 * was read up to there has been given to `sink`. Fields with another wire type than the definition has are skipped.
 */
export function readOrcaMessage(text: string, sink: ReportSink): boolean {
  const bytes = base64Bytes(text)
  if (bytes === undefined) return false
  const reader = new Reader(bytes, 0, bytes.length)
  while (reader.next()) {
    const { field, type } = reader
    const scalar = scalars.get(field)
    if (scalar !== undefined && type === fixed64) sink.scalar(scalar, reader.double())
    else if (field === rpsField && type === varint) sink.scalar("rps", reader.varint())
    else if (type === lengthDelimited && maps.has(field)) readEntry(reader, maps.get(field)!, sink)
    else reader.skip()
  }
  return !reader.isBroken
}

/** An entry of a map is a message of its own; a key or value that is missing is "" or 0. */
function readEntry(outer: Reader, map: MapName, sink: ReportSink): void {
  const inner = outer.message()
  let key = ""
  let value = 0
  while (inner.next()) {
    if (inner.field === keyField && inner.type === lengthDelimited) key = inner.text()
    else if (inner.field === valueField && inner.type === fixed64) value = inner.double()
    else inner.skip()
  }
  if (inner.isBroken) outer.isBroken = true
  else if (!outer.isBroken) sink.entry(map, key, value)
}

/** Walks over the fields of one message. After anything that is out of bounds it `isBroken` and yields no field. */
class Reader {
  isBroken = false
  field = 0
  type = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = start
    this.#end = end
  }

  next(): boolean {
    if (this.isBroken || this.#at >= this.#end) return false
    const tag = this.varint()
    this.type = tag % 8
    this.field = Math.floor(tag / 8)
    if (this.field === 0) this.isBroken = true
    return !this.isBroken
  }

  /** The value of a varint, exact up to 2^53. */
  varint(): number {
    let value = 0
    let place = 1
    for (let i = 0; i < 10 && this.#at < this.#end; i++) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 0x7f) * place
      if (byte < 0x80) return value
      place *= 128
    }
    this.isBroken = true
    return 0
  }

  double(): number {
    const at = this.#take(8)
    return this.isBroken ? 0 : this.#view.getFloat64(at, true)
  }

  text(): string {
    const length = this.varint()
    const at = this.#take(length)
    return this.isBroken ? "" : new TextDecoder().decode(this.#bytes.subarray(at, at + length))
  }

  message(): Reader {
    const length = this.varint()
    const at = this.#take(length)
    return this.isBroken ? new Reader(this.#bytes, 0, 0) : new Reader(this.#bytes, at, at + length)
  }

  skip(): void {
    if (this.type === varint) this.varint()
    else if (this.type === fixed64) this.#take(8)
    else if (this.type === lengthDelimited) this.#take(this.varint())
    else if (this.type === fixed32) this.#take(4)
    // Groups are deprecated and in no version of this message; 6 and 7 are no wire types.
    else this.isBroken = true
  }

  #take(length: number): number {
    const at = this.#at
    if (length > this.#end - at) this.isBroken = true
    else this.#at += length
    return at
  }
}

const sextets = new Int8Array(128).fill(-1)
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
for (let value = 0; value < 64; value++) sextets[alphabet.charCodeAt(value)] = value
sextets["-".charCodeAt(0)] = 62
sextets["_".charCodeAt(0)] = 63

/** The bytes of base64 text in either alphabet, with or without its padding; undefined when it is none. */
function base64Bytes(text: string): Uint8Array | undefined {
  const padding = /={0,2}$/.exec(text)![0].length
  const length = text.length - padding
  if (length % 4 === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < length; i++) {
    const sextet = sextets[text.charCodeAt(i)] ?? -1
    if (sextet === -1) return undefined
    bits = ((bits << 6) | sextet) & 0xffffff
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = (bits >> held) & 0xff
    }
  }
  return bytes
}
