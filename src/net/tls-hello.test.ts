import assert from "node:assert/strict"
import { test } from "node:test"
import { holdsFirstRecord, offersTicketOf } from "./tls-hello.ts"

const record = (length: number, has: number): Buffer =>
  Buffer.concat([Buffer.from([22, 3, 1, length >> 8, length & 0xff]), Buffer.alloc(has)])

test("a record is awaited to its end, and what is none is not awaited", () => {
  const whole = record(300, 300)
  for (let end = 0; end < whole.length; end++) assert.equal(holdsFirstRecord(whole.subarray(0, end)), false)
  assert.equal(holdsFirstRecord(whole), true)
  assert.equal(holdsFirstRecord(record(300, 400)), true)
  assert.equal(holdsFirstRecord(Buffer.from("G")), true)
})

test("a ticket is known by the name of its key, wherever it stands", () => {
  const key = Uint8Array.from({ length: 48 }, (_, i) => i + 1)
  const hello = Buffer.concat([record(50, 7), Buffer.from(key.subarray(0, 16)), Buffer.alloc(20)])
  assert.equal(offersTicketOf(hello, key), true)
  assert.equal(offersTicketOf(hello.subarray(0, 27), key), false)
  assert.equal(offersTicketOf(hello, key.toReversed()), false)
})
