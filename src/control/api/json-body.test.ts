import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { test, type TestContext } from "node:test"
import { ok, type Result } from "../../core/result.ts"
import type { ApiError } from "./api-errors.ts"
import { BodyBudget, readJsonBody } from "./json-body.ts"

const bytesMax = 1_000

/** What is read of a request with these fields, and these bytes behind its head; then the client may leave. */
async function read(
  t: TestContext,
  fields: string,
  bytes: string,
  leaves = false,
): Promise<Result<unknown, ApiError>> {
  const server = createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
  t.after(() => {
    socket.destroy()
    server.close()
  })
  socket.write(`PUT / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${bytes}`)
  const [request] = (await once(server, "request")) as [IncomingMessage]
  if (leaves) socket.destroy()
  return readJsonBody(request, bytesMax, new BodyBudget(bytesMax))
}

const json = "Content-Type: application/json\r\n"

test("a body is its JSON, and no body is undefined, whatever its type", async (t) => {
  assert.deepEqual(await read(t, `${json}Content-Length: 7`, '{"a":1}'), ok({ a: 1 }))
  assert.deepEqual(await read(t, "Content-Length: 0", ""), ok(undefined))
})

for (const [name, fields, bytes, code] of [
  ["another type", "Content-Type: text/plain\r\nContent-Length: 2", "{}", "unsupported_media_type"],
  ["a coding", `${json}Content-Encoding: gzip\r\nContent-Length: 2`, "{}", "unsupported_media_type"],
  ["what is not JSON", `${json}Content-Length: 2`, "{a", "invalid_json"],
  ["a length beyond the limit", `${json}Content-Length: ${bytesMax + 1}`, "", "body_too_large"],
  [
    "more than the limit, before its end has come",
    `${json}Transfer-Encoding: chunked`,
    `7d0\r\n${"x".repeat(2_000)}\r\n`,
    "body_too_large",
  ],
] as const) {
  test(`refused is ${name}`, async (t) => {
    const found = await read(t, fields, bytes)
    assert.ok(!found.ok)
    assert.equal(found.error.code, code)
  })
}

test("a body that ends before it is whole is refused, not thrown", async (t) => {
  const found = await read(t, `${json}Content-Length: 2`, "{", true)
  assert.ok(!found.ok)
  assert.equal(found.error.code, "request_timeout")
})
