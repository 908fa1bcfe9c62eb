import assert from "node:assert/strict"
import { test } from "node:test"
import { FieldNames } from "./field-names.ts"
import { Head } from "./head.ts"
import { headLimitsDefault } from "./limits.ts"
import { parseRequestHead } from "./request-head.ts"
import { isTunnelProtocol } from "./upgrade.ts"

const cases: readonly (readonly [upgrade: string, tunnelled: boolean])[] = [
  ["Upgrade: websocket", true],
  ["Upgrade: WebSocket, foo/2", true],
  ["Upgrade: http-like", true],
  ["Upgrade: h2c", false],
  ["Upgrade: websocket, H2C", false],
  ["Upgrade: websocket\r\nUpgrade: h2c", false],
  ["Upgrade: HTTP/2.0", false],
  ["Upgrade: TLS/1.0, HTTP/1.1", false],
]

for (const [upgrade, tunnelled] of cases) {
  test(`${JSON.stringify(upgrade)} is ${tunnelled ? "" : "never "}tunnelled`, () => {
    const head = new Head(headLimitsDefault)
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n${upgrade}\r\n\r\n`)
    parseRequestHead(head, bytes, 0, bytes.length, headLimitsDefault, new FieldNames())
    assert.ok(head.upgrade)
    assert.equal(isTunnelProtocol(head), tunnelled)
  })
}
