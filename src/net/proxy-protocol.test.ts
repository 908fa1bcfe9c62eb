import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { crc32c } from "../core/crc32c.ts"
import type { EndAddress } from "../core/endpoint.ts"
import { type ProxyHeader, readProxyHeader, writeProxyHeader } from "./proxy-protocol.ts"

const proxyBinaryBytesMax = 4_096

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1")
const signature = latin1("\r\n\r\n\0\r\nQUIT\n")

/** A header of version 2 with any bytes in it. */
function binary(command: number, family: number, block: Buffer | string, length?: number): Buffer {
  const body = typeof block === "string" ? latin1(block) : block
  const size = Buffer.alloc(2)
  size.writeUInt16BE(length ?? body.length)
  return Buffer.concat([signature, Buffer.from([command, family]), size, body])
}

const ipv4Block = Buffer.from("c0000201c63364070fa001bb", "hex")
const ipv4Ends = {
  source: { host: "192.0.2.1", port: 4_000 },
  destination: { host: "198.51.100.7", port: 443 },
}

function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value])
}

/** With a checksum TLV behind the block; `spoil` changes the checksum. */
function summed(spoil: number): Buffer {
  const header = binary(
    0x21,
    0x11,
    Buffer.concat([ipv4Block, tlv(0x02, latin1("a.example")), tlv(0x03, Buffer.alloc(4))]),
  )
  header.writeUInt32BE((crc32c(header) ^ spoil) >>> 0, header.length - 4)
  return header
}

const unixBlock = Buffer.alloc(216)
unixBlock.write("/run/a.sock", 0)
unixBlock.write("\0abstract", 108)

for (const [what, bytes, ends] of [
  ["IPv4 in text", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\n"), ipv4Ends],
  [
    "IPv6 in text",
    latin1("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
    { source: { host: "2001:db8::1", port: 1 }, destination: { host: "::1", port: 65_535 } },
  ],
  ["IPv4 mapped into IPv6", latin1("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 4000 443\r\n"), ipv4Ends],
  [
    "the longest addresses there are",
    latin1(`PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
    {
      source: { host: `${"ffff:".repeat(7)}ffff`, port: 65_535 },
      destination: { host: `${"ffff:".repeat(7)}ffff`, port: 65_535 },
    },
  ],
  ["UNKNOWN", latin1("PROXY UNKNOWN\r\n"), undefined],
  ["UNKNOWN with 107 bytes in all", latin1(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`), undefined],
  ["IPv4 in binary", binary(0x21, 0x11, ipv4Block), ipv4Ends],
  ["IPv4 of a datagram", binary(0x21, 0x12, ipv4Block), ipv4Ends],
  [
    "IPv6 in binary",
    binary(
      0x21,
      0x21,
      Buffer.concat([Buffer.alloc(15), latin1("\x01"), Buffer.alloc(15), latin1("\x02\0\x01\0\x02")]),
    ),
    { source: { host: "::1", port: 1 }, destination: { host: "::2", port: 2 } },
  ],
  [
    "Unix sockets",
    binary(0x21, 0x31, unixBlock),
    { source: { path: "/run/a.sock" }, destination: { path: "\0abstract" } },
  ],
  ["LOCAL", binary(0x20, 0x00, ""), undefined],
  ["LOCAL with a family, whose block is skipped", binary(0x20, 0x11, "nonsense"), undefined],
  ["a family that is not specified, with a block", binary(0x21, 0x00, "nonsense"), undefined],
  [
    "unknown TLVs, an empty one among them",
    binary(0x21, 0x11, Buffer.concat([ipv4Block, tlv(0xea, latin1("vpce-1")), tlv(0x04, Buffer.alloc(0))])),
    ipv4Ends,
  ],
  ["a checksum that is right", summed(0), ipv4Ends],
  ["the largest header", binary(0x20, 0x00, Buffer.alloc(proxyBinaryBytesMax - 16)), undefined],
] as const satisfies readonly (readonly [string, Buffer, ProxyHeader["ends"]])[]) {
  test(`takes ${what}, and leaves what follows`, () => {
    const expected = { kind: "header", length: bytes.length, ends }
    assert.deepEqual(readProxyHeader(bytes), expected)
    assert.deepEqual(readProxyHeader(Buffer.concat([bytes, latin1("GET / HTTP/1.1\r\n")])), expected)
  })
}

for (const [what, bytes] of [
  ["an HTTP request", latin1("GET / HTTP/1.1\r\n\r\n")],
  ["an HTTP method that starts with P", latin1("PUT / HTTP/1.1\r\n\r\n")],
  ["a TLS handshake", latin1("\x16\x03\x01\x02\x00")],
  ["lower case", latin1("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n")],
  ["a leading space", latin1(" PROXY UNKNOWN\r\n")],
  ["two spaces", latin1("PROXY TCP4  192.0.2.1 198.51.100.7 4000 443\r\n")],
  ["a space at the end", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 4000 443 \r\n")],
  ["a tab", latin1("PROXY TCP4\t192.0.2.1 198.51.100.7 4000 443\r\n")],
  ["a missing port", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 4000\r\n")],
  ["an empty port", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 4000 \r\n")],
  ["a port with a leading zero", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 04000 443\r\n")],
  ["a port above 65535", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n")],
  ["a signed port", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 +400 443\r\n")],
  ["an address of the other family", latin1("PROXY TCP4 ::1 ::1 4000 443\r\n")],
  ["an IPv4 address in TCP6", latin1("PROXY TCP6 192.0.2.1 198.51.100.7 4000 443\r\n")],
  ["an address with leading zeros", latin1("PROXY TCP4 192.0.02.1 198.51.100.7 4000 443\r\n")],
  ["a zone", latin1("PROXY TCP6 fe80::1%lo ::1 4000 443\r\n")],
  ["a field more", latin1("PROXY TCP4 192.0.2.1 198.51.100.7 4000 443 5\r\n")],
  ["an unknown family", latin1("PROXY UDP4 192.0.2.1 198.51.100.7 4000 443\r\n")],
  ["no family", latin1("PROXY \r\n")],
  ["a bare LF", latin1(`PROXY UNKNOWN\n${"x".repeat(107)}`)],
  ["a CR without LF", latin1("PROXY UNKNOWN\rX")],
  ["a line of 108 bytes", latin1(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`)],
  ["a line without an end", latin1(`PROXY UNKNOWN ${"x".repeat(93)}`)],
  ["version 1 in binary", binary(0x11, 0x11, ipv4Block)],
  ["version 3 in binary", binary(0x31, 0x11, ipv4Block)],
  ["an unknown command", binary(0x22, 0x11, ipv4Block)],
  ["an unknown binary family", binary(0x21, 0x41, ipv4Block)],
  ["a family without a transport", binary(0x21, 0x10, ipv4Block)],
  ["a transport without a family", binary(0x21, 0x01, ipv4Block)],
  ["a block too short for its family", binary(0x21, 0x11, ipv4Block.subarray(0, 11))],
  ["a block of IPv4's length for IPv6", binary(0x21, 0x21, ipv4Block)],
  ["a TLV of two bytes", binary(0x21, 0x11, Buffer.concat([ipv4Block, latin1("\x04\0")]))],
  [
    "a TLV that is longer than the header",
    binary(0x21, 0x11, Buffer.concat([ipv4Block, latin1("\x04\0\x02a")])),
  ],
  ["a checksum that is wrong", summed(1)],
  ["a checksum of three bytes", binary(0x21, 0x11, Buffer.concat([ipv4Block, tlv(0x03, Buffer.alloc(3))]))],
  [
    "two checksums",
    binary(0x21, 0x11, Buffer.concat([ipv4Block, tlv(0x03, Buffer.alloc(4)), tlv(0x03, Buffer.alloc(4))])),
  ],
  ["a header larger than is taken", binary(0x20, 0x00, "", proxyBinaryBytesMax - 15)],
  ["a signature with one byte wrong", latin1("\r\n\r\n\0\r\nQUIT\r")],
] as const) {
  test(`refuses ${what}`, () => {
    assert.deepEqual(readProxyHeader(bytes), { kind: "invalid" })
  })
}

test("what is wrong is refused at the first byte that shows it", () => {
  assert.equal(readProxyHeader(latin1("PU")).kind, "invalid")
  assert.equal(readProxyHeader(latin1("\r\n\r\n\x01")).kind, "invalid")
  assert.equal(readProxyHeader(binary(0x21, 0x11, "").subarray(0, 13)).kind, "incomplete")
  assert.equal(readProxyHeader(binary(0x99, 0x11, "").subarray(0, 13)).kind, "invalid")
  assert.equal(readProxyHeader(binary(0x21, 0x99, "").subarray(0, 14)).kind, "invalid")
  assert.equal(readProxyHeader(binary(0x21, 0x11, "", 0xffff)).kind, "invalid")
})

// ── properties ──────────────────────────────────────────────────────────────────────────────────────────────────

const port = fc.integer({ min: 0, max: 65_535 })
const ipv4End = fc.record({ host: fc.ipV4(), port })
const ipv6End = fc.record({ host: fc.ipV6(), port })
const unixEnd = fc
  .string({ unit: fc.constantFrom("/", "a", ".", "\xff"), minLength: 1, maxLength: 108 })
  .map((path): EndAddress => ({ path }))
const ends = fc.oneof(
  fc.tuple(ipv4End, ipv4End),
  fc.tuple(ipv6End, ipv6End),
  fc.tuple(ipv4End, ipv6End),
  fc.tuple(unixEnd, unixEnd),
)

/** The header that the writer makes of anything, and mutations of it: near what is valid is where parsers err. */
const nearHeader = fc
  .tuple(
    fc.constantFrom<1 | 2>(1, 2),
    fc.option(ends),
    fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 2 }),
    fc.uint8Array({ maxLength: 20 }),
  )
  .map(([version, pair, changes, tail]) => {
    const header = writeProxyHeader(version, pair?.[0], pair?.[1])
    for (const [at, byte] of changes) if (at < header.length) header[at] = byte
    return Buffer.concat([header, tail])
  })
const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))

test("what is written is read back, whatever follows it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<1 | 2>(1, 2),
      ends,
      fc.uint8Array({ maxLength: 8 }),
      (version, [from, to], tail) => {
        const header = writeProxyHeader(version, from, to)
        const read = readProxyHeader(Buffer.concat([header, tail]))
        assert.ok(read.kind === "header")
        assert.equal(read.length, header.length)
        if (version === 1 && "path" in from) assert.equal(read.ends, undefined)
        // The texts of one IPv6 address are many: written again, equal bytes are equal addresses.
        else assert.deepEqual(writeProxyHeader(version, read.ends?.source, read.ends?.destination), header)
        if ("port" in from && read.ends !== undefined && "port" in read.ends.source) {
          assert.equal(read.ends.source.port, from.port)
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

test("the reader never throws, never reads behind the header, and says the same however the bytes are split", () => {
  let headers = 0
  fc.assert(
    fc.property(fc.oneof(nearHeader, nearHeader, anyBytes), (bytes) => {
      const whole = readProxyHeader(bytes)
      if (whole.kind === "header") headers++
      if (whole.kind === "header") assert.ok(whole.length <= bytes.length)
      let settled: ReturnType<typeof readProxyHeader> | undefined
      for (let end = 0; end <= bytes.length; end++) {
        const part = readProxyHeader(bytes.subarray(0, end))
        // Once it has spoken, more bytes do not change its mind.
        if (settled !== undefined) assert.deepEqual(part, settled)
        else if (part.kind !== "incomplete") settled = part
      }
      assert.deepEqual(settled ?? { kind: "incomplete" }, whole)
      if (whole.kind === "header")
        assert.equal(readProxyHeader(bytes.subarray(0, whole.length - 1)).kind, "incomplete")
    }),
    { numRuns: 3_000 },
  )
  assert.ok(headers > 300, `only ${headers} of the inputs were headers`)
})

test("at most its bound is ever awaited", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: proxyBinaryBytesMax, maxLength: proxyBinaryBytesMax }), (rest) => {
      for (const start of [latin1("PROXY "), signature, Buffer.alloc(0)]) {
        const bytes = Buffer.concat([start, rest]).subarray(0, proxyBinaryBytesMax)
        assert.notEqual(readProxyHeader(bytes).kind, "incomplete")
      }
    }),
    { numRuns: 200 },
  )
})

test("ends that the version has no words for are written as unknown", () => {
  const ip = { host: "192.0.2.1", port: 1 }
  const unknown = "PROXY UNKNOWN\r\n"
  const local = binary(0x20, 0x00, "")
  for (const [from, to] of [
    [undefined, ip],
    [ip, undefined],
    [ip, { path: "/a" }],
    [ip, { host: "a.example", port: 1 }],
    [{ path: "x".repeat(109) }, { path: "/a" }],
  ] as const) {
    assert.equal(writeProxyHeader(1, from, to).toString("latin1"), unknown)
    assert.deepEqual(writeProxyHeader(2, from, to), local)
  }
  assert.equal(writeProxyHeader(1, { path: "/a" }, { path: "/b" }).toString("latin1"), unknown)
})

test("an IPv4 and an IPv6 end are written as IPv6", () => {
  const header = writeProxyHeader(1, { host: "192.0.2.1", port: 1 }, { host: "2001:DB8::", port: 2 })
  assert.equal(header.toString("latin1"), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8:: 1 2\r\n")
})
