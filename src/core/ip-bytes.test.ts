import assert from "node:assert/strict"
import { SocketAddress } from "node:net"
import { test } from "node:test"
import * as fc from "fast-check"
import { ipBytes, ipText } from "./ip-bytes.ts"

for (const [text, hex, canonical] of [
  ["192.0.2.1", "c0000201", "192.0.2.1"],
  ["::", "00".repeat(16), "::"],
  ["::1", `${"00".repeat(15)}01`, "::1"],
  ["2001:DB8::", `20010db8${"00".repeat(12)}`, "2001:db8::"],
  ["2001:db8:0:0:1:0:0:1", "20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
  ["1:0:3:4:5:6:7:8", "00010000000300040005000600070008", "1:0:3:4:5:6:7:8"],
  ["::ffff:192.0.2.1", `${"00".repeat(10)}ffffc0000201`, "::ffff:192.0.2.1"],
  ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221", "64:ff9b::c000:221"],
] as const) {
  test(`${text} as bytes, and the bytes as text`, () => {
    const bytes = ipBytes(text)
    assert.equal(bytes && Buffer.from(bytes).toString("hex"), hex)
    assert.equal(ipText(bytes!), canonical)
  })
}

test("what is no address has no bytes", () => {
  for (const text of ["", "1.2.3", "01.2.3.4", "::1%lo", "1:2:3:4:5:6:7:8:9", "example.org"]) {
    assert.equal(ipBytes(text), undefined, text)
  }
})

test("every 16 bytes come back from their text, which is how Node writes it too", () => {
  // Small values often, so that runs of zeros come in all places.
  const byte = fc.oneof(fc.constant(0), fc.nat(255))
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(byte, { minLength: 16, maxLength: 16 }),
      (any, low) => {
        for (const bytes of [any, Uint8Array.from(low)]) {
          const text = ipText(bytes)
          assert.deepEqual(ipBytes(text), bytes)
          // `::1.2.3.4` is how Node writes the deprecated IPv4-compatible addresses (RFC 4291 2.5.5.1).
          const node = new SocketAddress({ family: "ipv6", address: text }).address
          if (!node.includes(".")) assert.equal(text, node)
        }
      },
    ),
  )
})
