import assert from "node:assert/strict"
import { test } from "node:test"
import { isFraming, lastChunk } from "./trailers.ts"

/** What of the section goes on in the last chunk. */
function passed(section: string, nominated: readonly string[]): string {
  const [, lines] = /^0\r\n([^]*)\r\n$/.exec(lastChunk(section, nominated).toString("latin1"))!
  return lines!
}

test("what changes no message passes, unchanged and in its order", () => {
  const section =
    "grpc-status: 0\r\nX-Checksum:\t abc \r\nServer-Timing: db\r\nx-checksum: def\r\nETag: \xe9\r\n"
  assert.equal(passed(section, []), section)
})

test("what frames, routes, authenticates or controls a message does not pass, however it is spelled", () => {
  const names =
    "Content-Length,TRANSFER-ENCODING,Host,trailer,TE,Connection,Upgrade,Via,Content-Type,content-encoding," +
    "Content_Length,Content-Anything,Set-Cookie,Cookie,Authorization,Proxy-Authorization,WWW-Authenticate," +
    "Expect,Max-Forwards,Range,If-None-Match,Cache-Control,Age,Location,Retry-After,Forwarded,X-Forwarded-For," +
    "X_Forwarded_Host,Linebacker-Demand,Endpoint-Load-Metrics,Access-Control-Allow-Origin"
  for (const name of names.split(",")) {
    assert.equal(passed(`A: b\r\n${name}: 1\r\nC: d\r\n`, []), "A: b\r\nC: d\r\n", name)
  }
})

test("what Connection nominates does not pass", () => {
  assert.equal(passed("X-Mine: 1\r\nX-Yours: 2\r\n", ["close", "x-mine"]), "X-Yours: 2\r\n")
})

test("an empty section stays empty", () => {
  assert.equal(passed("", []), "")
})

test("a line that would frame the message is known by its name alone", () => {
  for (const section of ["Content-Length:", "A: b\r\nTRANSFER-ENCODING:"])
    assert.ok(isFraming(section), section)
  for (const section of ["X:", "Content-Length: 5\r\nX:", "A: b\r\nX-Content-Length:"])
    assert.ok(!isFraming(section), section)
})
