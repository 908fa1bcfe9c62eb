import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { Framing } from "../core/http/streams.ts"
import { bodyLimitsDefault, BodyReader, type BodyState } from "./body.ts"

interface Outcome {
  readonly passed: string
  readonly state: BodyState
  /** Bytes taken in all, so where the body ended in the stream. */
  readonly taken: number
}

/** Feeds the pieces to a reader as reads of a socket would come. */
function readAll(pieces: readonly Buffer[], framing: Framing, length = 0, decode = false): Outcome {
  const reader = new BodyReader(bodyLimitsDefault)
  reader.begin(framing, length, decode)
  let passed = ""
  let taken = 0
  for (const piece of pieces) {
    taken += reader.read(piece, 0, piece.length)
    for (let i = 0; i < reader.outputCount; i++) passed += reader.output[i]!.toString("latin1")
    if (reader.state !== "open") break
  }
  return { passed, state: reader.state, taken }
}

function whole(text: string, framing: Framing, length = 0, decode = false): Outcome {
  return readAll([Buffer.from(text, "latin1")], framing, length, decode)
}

function bytewise(text: string): Buffer[] {
  return Array.from(text, (char) => Buffer.from(char, "latin1"))
}

/** How a lenient reader of the chunked grammar would see what was passed on. */
function dechunk(text: string): { data: string; complete: boolean } {
  let at = 0
  let data = ""
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at)
    if (lineEnd === -1) return { data, complete: false }
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    assert.ok(Number.isInteger(size), `size line ${JSON.stringify(text.slice(at, lineEnd))}`)
    if (size === 0) return { data, complete: text.slice(lineEnd) === "\r\n\r\n" }
    data += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}

test("a body of known length ends at its last byte and leaves what follows", () => {
  assert.deepEqual(whole("helloGET /", "length", 5), { passed: "hello", state: "complete", taken: 5 })
  assert.deepEqual(whole("", "length", 0), { passed: "", state: "complete", taken: 0 })
})

test("a body without framing takes nothing", () => {
  assert.deepEqual(whole("GET /", "none"), { passed: "", state: "complete", taken: 0 })
})

test("the end of the connection completes a close-delimited body and cuts every other", () => {
  for (const [framing, expected] of [
    ["close", "complete"],
    ["length", "cut"],
    ["chunked", "cut"],
  ] as const) {
    const reader = new BodyReader(bodyLimitsDefault)
    reader.begin(framing, 9, false)
    const piece = Buffer.from("5\r\nhel")
    reader.read(piece, 0, piece.length)
    reader.end()
    assert.equal(reader.state, expected, framing)
  }
})

test("a broken connection resets every body that is open, and none that is complete", () => {
  const reader = new BodyReader(bodyLimitsDefault)
  reader.begin("close", 0, false)
  reader.reset()
  assert.equal(reader.state, "reset")
  reader.begin("none", 0, false)
  reader.reset()
  assert.equal(reader.state, "complete")
})

test("a plain chunked body goes on as it came, in one slice", () => {
  const text = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
  const reader = new BodyReader(bodyLimitsDefault)
  reader.begin("chunked", 0, false)
  const bytes = Buffer.from(text)
  assert.equal(reader.read(bytes, 0, bytes.length), text.length)
  assert.equal(reader.outputCount, 1)
  assert.equal(reader.output[0], bytes)
  assert.equal(reader.dataBytes, 11)
})

test("extensions and trailers are taken out, the data is not touched", () => {
  const text = `5;a;b=c;d="e\\"f"\r\nhello\r\n0;last\r\nExpires: never\r\nX:\r\n\r\n`
  const expected = { passed: "5\r\nhello\r\n0\r\n\r\n", state: "complete", taken: text.length } as const
  assert.deepEqual(whole(text, "chunked"), expected)
  assert.deepEqual(dechunk(readAll(bytewise(text), "chunked").passed), { data: "hello", complete: true })
  assert.deepEqual(whole(text, "chunked", 0, true), { ...expected, passed: "hello" })
})

test("the last chunk goes on only when the body has ended", () => {
  for (const cut of ["0", "0\r", "0\r\n", "0\r\n\r", "0\r\nA: b\r\n"]) {
    assert.deepEqual(whole(`5\r\nhello\r\n${cut}`, "chunked").passed, "5\r\nhello\r\n", JSON.stringify(cut))
  }
})

const chunkedBody = fc
  .array(
    fc.record({
      data: fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 }),
      extension: fc.constantFrom("", "", "", ";a", ';a="b;\\"c"', ";a=b"),
      upper: fc.boolean(),
      zeros: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 6 },
  )
  .map((chunks) => {
    const sizeLine = (c: (typeof chunks)[number]): string => {
      const hex = c.data.length.toString(16)
      return "0".repeat(c.zeros) + (c.upper ? hex.toUpperCase() : hex) + c.extension
    }
    return {
      data: chunks.map((c) => c.data).join(""),
      wire: chunks.map((c) => `${sizeLine(c)}\r\n${c.data}\r\n`).join(""),
    }
  })

test("however the bytes are cut into reads, the same data goes on and the body ends at the same byte", () => {
  fc.assert(
    fc.property(
      chunkedBody,
      fc.constantFrom("0\r\n\r\n", "00\r\n\r\n", "0\r\nA: b\r\n\r\n", "0;x\r\n\r\n"),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.boolean(),
      (body, end, cuts, decode) => {
        const stream = Buffer.from(`${body.wire}${end}GET / HTTP/1.1`, "latin1")
        const places = [...new Set(cuts.map((cut) => cut % stream.length))].sort((a, b) => a - b)
        const pieces = [0, ...places].map((start, i) => stream.subarray(start, places[i] ?? stream.length))
        const outcome = readAll(pieces, "chunked", 0, decode)
        assert.equal(outcome.state, "complete")
        assert.equal(outcome.taken, body.wire.length + end.length)
        if (decode) assert.equal(outcome.passed, body.data)
        else assert.deepEqual(dechunk(outcome.passed), { data: body.data, complete: true })
      },
    ),
    { numRuns: 2_000 },
  )
})

test("size lines go on as we write them, whatever they look like", () => {
  const plain = "5\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\n\r\n"
  for (const odd of [
    plain.replace("5\r", "0005\r"),
    plain.replace("1f", "1F"),
    plain.replace("1f", "01f;a"),
    plain.replace("0\r\n\r\n", "000\r\n\r\n"),
    plain.replace("0\r\n\r\n", "0 ;a\r\n\r\n"),
  ]) {
    assert.equal(whole(odd, "chunked").passed, plain, odd)
    assert.equal(readAll(bytewise(odd), "chunked").passed, plain, odd)
  }
})

test("plain chunks go on in one slice of the bytes that came", () => {
  const bytes = Buffer.from("5\r\nhello\r\n1f\r\n0123456789012345678901234567890\r\n0\r\n\r\n")
  const reader = new BodyReader(bodyLimitsDefault)
  reader.begin("chunked", -1, false)
  reader.read(bytes, 0, bytes.length)
  assert.equal(reader.outputCount, 1)
  assert.equal(reader.output[0], bytes)
})

test("a chunk too large for a reader of 32 bits goes on as several", () => {
  const reader = new BodyReader(bodyLimitsDefault)
  reader.begin("chunked", -1, false)
  // 2^32 + 5: the low 32 bits alone would be a chunk of five bytes.
  const line = Buffer.from("100000005\r\n")
  const piece = Buffer.alloc(0x80_0001, "x")
  reader.read(line, 0, line.length)
  const sizes = [sizesIn(reader)]
  let data = 0
  for (let left = 0x1_0000_0005; left > 0; left -= piece.length) {
    reader.read(piece, 0, Math.min(left, piece.length))
    sizes.push(sizesIn(reader))
    for (let i = 0; i < reader.outputCount; i++)
      if (reader.output[i]!.buffer === piece.buffer) data += reader.output[i]!.length
  }
  const end = Buffer.from("\r\n0\r\n\r\n")
  reader.read(end, 0, end.length)
  assert.equal(reader.state, "complete")
  assert.equal(data, 0x1_0000_0005)
  assert.equal(sizes.join(""), `1000000\r\n${"\r\n1000000\r\n".repeat(255)}\r\n5\r\n`)
})

test("a large chunk that ends with the piece it came in goes on whole", () => {
  const data = "x".repeat(0x100_0000)
  const outcome = whole(`2000000\r\n${data}${data}\r\n0\r\n\r\n`, "chunked")
  assert.ok(outcome.passed === `1000000\r\n${data}\r\n1000000\r\n${data}\r\n0\r\n\r\n`)
})

test("many small chunks go on in one piece, and nothing of them is kept for the next body", () => {
  const bytes = Buffer.from(`${"1;a\r\nx\r\n".repeat(5_000)}0\r\n\r\n`)
  for (const [decode, passed] of [
    [false, `${"1\r\nx\r\n".repeat(5_000)}0\r\n\r\n`],
    [true, "x".repeat(5_000)],
  ] as const) {
    const reader = new BodyReader({ ...bodyLimitsDefault, chunkExtensionBytesMax: 1e6 })
    reader.begin("chunked", -1, decode)
    reader.read(bytes, 0, bytes.length)
    assert.deepEqual([reader.state, reader.outputCount, reader.output.length], ["complete", 1, 1])
    assert.equal(reader.output[0]!.toString(), passed)
  }
})

/** What the reader has written itself into its output: size lines, with the end of the chunk before. */
function sizesIn({ output, outputCount }: BodyReader): string {
  return output
    .slice(0, outputCount)
    .filter((slice) => !slice.includes("x"))
    .map(String)
    .join("")
}
