/**
 * The PROXY protocol: how a balancer on layer 4 names the client that it connects for, before the connection's own
 * bytes. Bytes in, values out; no sockets. Version 1 is a line of text, version 2 is binary with optional typed values
 * (TLVs).
 *
 * @see https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
 */
import { crc32c } from "../core/crc32c.ts"
import { type ConnectionEnds, type EndAddress, isIpv4, isIpv6, plainIp } from "../core/endpoint.ts"
import { ipBytes, ipText } from "../core/ip-bytes.ts"

/** The longest line of version 1, CR LF included (2.1). */
const proxyLineBytesMax = 107
/** The longest header of version 2 that is taken; the protocol itself would allow 65,551 bytes. */
const proxyBinaryBytesMax = 4_096

export interface ProxyHeader {
  readonly kind: "header"
  /** Bytes of the header; the connection's own begin behind them. */
  readonly length: number
  /** Undefined for LOCAL, UNKNOWN and UNSPEC: the connection's real ends are the ones to go by. */
  readonly ends: ConnectionEnds | undefined
}

export type ProxyHeaderResult = ProxyHeader | { readonly kind: "incomplete" } | { readonly kind: "invalid" }

const incomplete = { kind: "incomplete" } as const
const invalid = { kind: "invalid" } as const

const lineStart = Buffer.from("PROXY ")
/** `\r\n\r\n\0\r\nQUIT\n` (2.2). */
const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex")
const fixedBytes = 16
const commandLocal = 0x20
const commandProxy = 0x21
const unixPathBytes = 108
const tlvCrc32c = 0x03

/** What the byte of family and transport means; the transport says nothing here. All others are refused. */
const families: Readonly<Record<number, "unspecified" | "ipv4" | "ipv6" | "unix">> = {
  0x00: "unspecified",
  0x11: "ipv4",
  0x12: "ipv4",
  0x21: "ipv6",
  0x22: "ipv6",
  0x31: "unix",
  0x32: "unix",
}
const addressBytes = { unspecified: 0, ipv4: 12, ipv6: 36, unix: 2 * unixPathBytes } as const

/**
 * Reads the header at the start of a connection, of either version. To be called with all bytes so far each time
 * more have come; what is wrong is refused at the first byte that shows it. Never throws, whatever the bytes are.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length === 0) return incomplete
  if (bytes[0] === lineStart[0]) return readLine(bytes)
  return startsLike(bytes, signature) ? readBinary(bytes) : invalid
}

/** Whether the bytes are the start of `expected`, or go on behind it. */
function startsLike(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length)
  return bytes.compare(expected, 0, length, 0, length) === 0
}

// ── version 1 ───────────────────────────────────────────────────────────────────────────────────────────────────

function readLine(bytes: Buffer): ProxyHeaderResult {
  if (!startsLike(bytes, lineStart)) return invalid
  const end = bytes.subarray(0, proxyLineBytesMax).indexOf(0x0d)
  if (end === -1) return bytes.length < proxyLineBytesMax ? incomplete : invalid
  if (end + 2 > proxyLineBytesMax) return invalid
  if (bytes.length < end + 2) return incomplete
  if (bytes[end + 1] !== 0x0a) return invalid
  const words = bytes.toString("latin1", lineStart.length, end).split(" ")
  const length = end + 2
  // Whatever else such a line says is to be ignored (2.1).
  if (words[0] === "UNKNOWN") return { kind: "header", length, ends: undefined }
  const [family, from, to, fromPort, toPort, ...more] = words
  const isAddress = family === "TCP4" ? isIpv4 : family === "TCP6" ? isIpv6 : undefined
  if (isAddress === undefined || toPort === undefined || more.length > 0) return invalid
  if (!isAddress(from!) || !isAddress(to!)) return invalid
  const source = { host: plainIp(from!), port: portOf(fromPort!) }
  const destination = { host: plainIp(to!), port: portOf(toPort) }
  if (Number.isNaN(source.port) || Number.isNaN(destination.port)) return invalid
  return { kind: "header", length, ends: { source, destination } }
}

/** 0 to 65535 without leading zeros, or NaN. */
function portOf(text: string): number {
  const port = /^(0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : Number.NaN
}

// ── version 2 ───────────────────────────────────────────────────────────────────────────────────────────────────

function readBinary(bytes: Buffer): ProxyHeaderResult {
  const command = bytes[12]
  if (command !== undefined && command !== commandLocal && command !== commandProxy) return invalid
  const family = bytes[13] === undefined ? undefined : families[bytes[13]]
  if (bytes.length > 13 && family === undefined) return invalid
  if (bytes.length < fixedBytes) return incomplete
  const length = fixedBytes + bytes.readUInt16BE(14)
  const tlvStart = fixedBytes + addressBytes[family!]
  if (length > proxyBinaryBytesMax) return invalid
  // The block of a LOCAL or unspecified connection is skipped, whatever it holds (2.2).
  const isSkipped = command === commandLocal || family === "unspecified"
  if (!isSkipped && length < tlvStart) return invalid
  if (bytes.length < length) return incomplete
  if (isSkipped) return { kind: "header", length, ends: undefined }
  if (!areTlvsSound(bytes.subarray(0, length), tlvStart)) return invalid
  return { kind: "header", length, ends: endsOf(bytes, family!) }
}

function endsOf(bytes: Buffer, family: "ipv4" | "ipv6" | "unix" | "unspecified"): ProxyHeader["ends"] {
  const at = fixedBytes
  if (family === "unix") {
    const path = (from: number) => pathOf(bytes.subarray(from, from + unixPathBytes))
    return { source: { path: path(at) }, destination: { path: path(at + unixPathBytes) } }
  }
  const size = family === "ipv4" ? 4 : 16
  const host = (from: number) => plainIp(ipText(bytes.subarray(from, from + size)))
  const ports = at + 2 * size
  return {
    source: { host: host(at), port: bytes.readUInt16BE(ports) },
    destination: { host: host(at + size), port: bytes.readUInt16BE(ports + 2) },
  }
}

/** A path ends at its first NUL; one that starts with NUL is of the abstract namespace. */
function pathOf(bytes: Buffer): string {
  const end = bytes.indexOf(0, 1)
  return bytes.toString("latin1", 0, end === -1 ? bytes.length : end).replace(/^\0$/, "")
}

/** Whether the TLVs fill the rest of the header exactly, and its checksum, when there is one, is right (2.2.3). */
function areTlvsSound(header: Buffer, start: number): boolean {
  let checksumAt = -1
  for (let at = start; at < header.length;) {
    if (at + 3 > header.length) return false
    const size = header.readUInt16BE(at + 1)
    if (at + 3 + size > header.length) return false
    if (header[at] === tlvCrc32c) {
      if (size !== 4 || checksumAt !== -1) return false
      checksumAt = at + 3
    }
    at += 3 + size
  }
  return checksumAt === -1 || header.readUInt32BE(checksumAt) === checksumOf(header, checksumAt)
}

/** Over the whole header with zeros where the checksum itself stands. */
function checksumOf(header: Buffer, checksumAt: number): number {
  const copy = Buffer.from(header)
  copy.writeUInt32BE(0, checksumAt)
  return crc32c(copy)
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The header that says the connection is from `source` to `destination`. When either is not known, or version 1
 * has no words for it, the header says that: the receiver goes by the real ends then (UNKNOWN; LOCAL).
 */
export function writeProxyHeader(
  version: 1 | 2,
  source: EndAddress | undefined,
  destination: EndAddress | undefined,
): Buffer {
  const block = source === undefined || destination === undefined ? undefined : blockOf(source, destination)
  return version === 1 ? lineOf(block) : binaryOf(block)
}

/** Both ends in one family, as bytes. */
interface Block {
  readonly family: 0x11 | 0x21 | 0x31
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly ports: readonly [number, number]
}

function blockOf(source: EndAddress, destination: EndAddress): Block | undefined {
  if ("path" in source || "path" in destination) {
    if (!("path" in source && "path" in destination)) return undefined
    const [from, to] = [pathBytes(source.path), pathBytes(destination.path)]
    if (from === undefined || to === undefined) return undefined
    return { family: 0x31, source: from, destination: to, ports: [0, 0] }
  }
  const from = ipBytes(plainIp(source.host))
  const to = ipBytes(plainIp(destination.host))
  if (from === undefined || to === undefined) return undefined
  const ports = [source.port, destination.port] as const
  if (from.length === 4 && to.length === 4) return { family: 0x11, source: from, destination: to, ports }
  return { family: 0x21, source: mapped(from), destination: mapped(to), ports }
}

function pathBytes(path: string): Uint8Array | undefined {
  if (path.length > unixPathBytes || path.includes("\0", 1)) return undefined
  const bytes = Buffer.alloc(unixPathBytes)
  bytes.write(path, "latin1")
  return bytes
}

/** An IPv4 address among IPv6 ones (RFC 4291 2.5.5.2). */
function mapped(address: Uint8Array): Uint8Array {
  return address.length === 16
    ? address
    : Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...address])
}

function lineOf(block: Block | undefined): Buffer {
  if (block === undefined || block.family === 0x31) return Buffer.from("PROXY UNKNOWN\r\n")
  const { family, source, destination, ports } = block
  const ends = `${ipText(source)} ${ipText(destination)} ${ports[0]} ${ports[1]}`
  return Buffer.from(`PROXY ${family === 0x11 ? "TCP4" : "TCP6"} ${ends}\r\n`)
}

function binaryOf(block: Block | undefined): Buffer {
  if (block === undefined) return Buffer.from([...signature, commandLocal, 0, 0, 0])
  const { family, source, destination, ports } = block
  const portBytes = family === 0x31 ? [] : ports.flatMap((port) => [port >> 8, port & 0xff])
  const length = source.length + destination.length + portBytes.length
  return Buffer.from([
    ...signature,
    commandProxy,
    family,
    length >> 8,
    length & 0xff,
    ...source,
    ...destination,
    ...portBytes,
  ])
}
