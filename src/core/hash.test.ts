import assert from "node:assert/strict"
import { test } from "node:test"
import { crc32Byte, crc32End, crc32More, crc32Start, xxhash32 } from "./hash.ts"

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function crc32(text: string | Uint8Array): number {
  return crc32End(crc32More(crc32Start, text))
}

test("CRC-32 gives the catalogue's check value, however it is cut", () => {
  assert.equal(crc32(""), 0)
  assert.equal(crc32("123456789"), 0xcbf43926)
  assert.equal(crc32(latin1("123456789")), 0xcbf43926)
  assert.equal(
    crc32End(crc32More(crc32Byte(crc32More(crc32Start, "1234"), 0x35), latin1("6789"))),
    0xcbf43926,
  )
})

test("xxHash gives the published values for every length class, with and without seed", () => {
  for (const [text, seed, expected] of [
    ["", 0, 0x02cc5d05],
    ["", 0x9e3779b1, 0x36b78ae7],
    ["a", 0, 0x550d7456],
    ["abc", 0, 0x32d153ff],
    ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
  ] as const) {
    assert.equal(xxhash32(text, seed), expected)
    assert.equal(xxhash32(latin1(text), seed), expected)
  }
})

test("bytes and strings of the same characters hash the same, beyond ASCII too", () => {
  const text = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code))
  for (let length = 0; length <= 256; length += 7) {
    const part = text.slice(256 - length)
    assert.equal(xxhash32(part, 5), xxhash32(latin1(part), 5))
    assert.equal(crc32(part), crc32(latin1(part)))
  }
})
