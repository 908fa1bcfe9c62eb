import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { Joiner, KeptBytes } from "./kept-bytes.ts"

/** Bytes that differ from their neighbours. */
function counted(length: number, from = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (from + i) % 251))
}

/** Memory behind these buffers, each block once. */
function retained(buffers: readonly Buffer[]): number {
  return [...new Set(buffers.map(({ buffer }) => buffer))].reduce(
    (sum, { byteLength }) => sum + byteLength,
    0,
  )
}

test("pieces of one byte are kept in a few buffers of less than three times their size", () => {
  const kept = new KeptBytes()
  for (let i = 0; i < 200_000; i++) kept.add(Buffer.from([i % 251]))
  assert.equal(kept.pieces.length, 4)
  assert.ok(retained(kept.pieces) < 600_000, `${retained(kept.pieces)} bytes are retained`)
  assert.deepEqual(Buffer.concat(kept.pieces), counted(200_000))
})

test("a small slice of a large buffer does not keep that, but for the first", () => {
  const kept = new KeptBytes()
  for (let i = 0; i < 100; i++) kept.add(Buffer.alloc(60_000).subarray(7, 8))
  assert.equal(kept.pieces.length, 1)
  assert.ok(retained(kept.pieces) < 1_000)
})

test("large pieces are kept as they are", () => {
  const kept = new KeptBytes()
  const pieces = [counted(20_000), counted(60_000, 3), counted(16_384, 5)]
  for (const piece of pieces) kept.add(piece)
  assert.deepEqual(kept.pieces, pieces)
  assert.ok(kept.pieces.every((piece, i) => piece === pieces[i]))
})

test("whatever the sizes, the bytes come out in order, and what was handed out before stays as it was", () => {
  const sizes = fc.array(fc.oneof(fc.nat(20), fc.nat(40_000)), { maxLength: 40 })
  fc.assert(
    fc.property(sizes, (lengths) => {
      const kept = new KeptBytes()
      const seen: { readonly pieces: readonly Buffer[]; readonly length: number }[] = []
      let length = 0
      for (const size of lengths) {
        kept.add(counted(size, length))
        length += size
        seen.push({ pieces: [...kept.pieces], length })
      }
      const whole = counted(length)
      for (const { pieces, length: end } of seen)
        assert.ok(Buffer.concat(pieces).equals(whole.subarray(0, end)))
    }),
    { numRuns: 50 },
  )
})

test("joining byte by byte takes new memory a few times only, and never overwrites what is in use elsewhere", () => {
  const joiner = new Joiner()
  let joined: Buffer = Buffer.from("x")
  const blocks = new Set<ArrayBufferLike>()
  for (let i = 0; i < 32_000; i++) {
    joined = joiner.join(joined, Buffer.from("y"))
    blocks.add(joined.buffer)
  }
  assert.ok(blocks.size < 10, `${blocks.size} blocks`)
  assert.equal(joined.toString(), `x${"y".repeat(32_000)}`)
  const other = joiner.join(Buffer.from("a"), Buffer.from("b"))
  assert.deepEqual([other.toString(), joined.toString("latin1", 0, 2)], ["ab", "xy"])
  // What is not the last joined belongs to other code: its memory is left alone.
  const first = joiner.join(Buffer.from("1"), Buffer.from("2"))
  joiner.join(first, Buffer.from("3"))
  assert.equal(joiner.join(first, Buffer.from("4")).toString(), "124")
})
