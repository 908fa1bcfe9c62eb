import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { FieldNames } from "./field-names.ts"
import { Head } from "./head.ts"
import { headLimitsDefault } from "./limits.ts"
import { parseRequestHead } from "./request-head.ts"
import { redirectAnswer } from "./redirect.ts"

const names = new FieldNames()

/** Where the request is sent; undefined when it is refused, by the parser or here. */
function location(request: string, port = 8443): string | undefined {
  const head = new Head(headLimitsDefault)
  const bytes = Buffer.from(request, "latin1")
  if (parseRequestHead(head, bytes, 0, bytes.length, headLimitsDefault, names) < 0) return undefined
  const answer = redirectAnswer(head, port, "now")?.toString("latin1")
  if (answer === undefined) return undefined
  const match =
    /^HTTP\/1\.1 308 Permanent Redirect\r\nLocation: ([\x21-\x7e]+)\r\nContent-Length: 0\r\nDate: now\r\nConnection: close\r\n\r\n$/.exec(
      answer,
    )
  assert.ok(match, answer)
  return match[1]
}

test("host and path are kept, the port is that of TLS", () => {
  const request = "GET /a/%2e?b=c HTTP/1.1\r\nHost: A.example:80\r\n\r\n"
  assert.equal(location(request), "https://a.example:8443/a/%2e?b=c")
  assert.equal(location(request, 443), "https://a.example/a/%2e?b=c")
})

test("whatever Host and target are, the response is one field of visible ASCII that leads to that host", () => {
  const unit = fc.oneof(
    fc.constantFrom("a", ".", ":", "/", "@", "%", "\r", "\n", "[", "]", "\\", "?", "#", " ", '"'),
    fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  )
  const word = fc.string({ unit, maxLength: 12 })
  let sent = 0
  fc.assert(
    fc.property(fc.oneof(word, fc.constantFrom("a.example", "[::1]:80")), word, (host, path) => {
      const to = location(`GET /${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      if (to === undefined) return
      sent++
      // The text is taken apart by rules that are not ours.
      const url = new URL(to)
      assert.equal(url.protocol, "https:")
      assert.equal(url.username, "")
      assert.equal(url.port, "8443")
      const asked = host
        .trim()
        .replace(/\.?(:[0-9]*)?$/, "")
        .toLowerCase()
      assert.ok(to.startsWith(`https://${asked}:8443/`), to)
    }),
    { numRuns: 3_000 },
  )
  assert.ok(sent > 100, `only ${sent} were sent anywhere`)
})
