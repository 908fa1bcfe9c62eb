import assert from "node:assert/strict"
import { test } from "node:test"
import { RequestIds } from "./request-ids.ts"

test("every line is whole, as long as promised, and says another id", () => {
  const ids = new RequestIds("9f3c2a61-0")
  const out = Buffer.alloc(100, "~")
  const lines = Array.from({ length: 300 }, () => out.toString("latin1", 3, ids.write(out, 3)))

  assert.equal(lines[0], "X-Request-Id: 9f3c2a61-0-00000000\r\n")
  assert.equal(lines[299], "X-Request-Id: 9f3c2a61-0-0000012b\r\n")
  assert.equal(new Set(lines).size, 300)
  assert.ok(lines.every((line) => line.length === ids.bytesMax))
  assert.equal(
    out.toString("latin1", 3 + ids.bytesMax),
    "~".repeat(97 - ids.bytesMax),
    "nothing behind it is touched",
  )
})
