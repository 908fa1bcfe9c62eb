/** What the configuration says of the wire, from the file's words to the bytes: a whole balancer. */
import assert from "node:assert/strict"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { test } from "node:test"
import { startBalancer } from "../../src/balancer.ts"
import { parseConfig } from "../../src/config/config-parse.ts"
import { fail } from "../../src/core/result.ts"
import { policies } from "../../src/policies/index.ts"
import { dial, type Wire } from "../support/relay.ts"

const listen = "127.0.0.1:0"
const inChunks = "1\r\na\r\n0\r\nX-End: 1\r\n\r\n"

/** An old backend: how it writes its head, and that it has trailers. Serves one request per connection. */
function answer(socket: Socket, seen: string[]): void {
  let text = ""
  socket.on("error", () => {})
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1")
    if (!text.endsWith(text.startsWith("POST") ? inChunks : "\r\n\r\n")) return
    seen.push(text)
    socket.end(`HTTP/1.1 200 OK\nTransfer-Encoding : chunked\nTrailer: X-End\n\n${inChunks}`)
  })
}

test("every setting of the wire reaches the threads", async (t) => {
  const seen: string[] = []
  const server = createServer((socket) => answer(socket, seen))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
  t.after(() => server.close())
  const input = {
    listen,
    workers: 1,
    registration: { listen },
    admin: { listen },
    timeouts: { unready: "0s", drain: "0s" },
    via: { toBackends: false, toClients: true },
    requests: { host: "a.example:81", hostConflicts: "all", trailers: "pass", underscores: "pass" },
    response: { trailers: "pass" },
    upstream: { lenientHeads: true },
  }
  const config = parseConfig(input, { policies, readFile: () => fail("there are no files here") })
  assert.ok(config.ok, JSON.stringify(config))
  const balancer = await startBalancer(config.value)
  t.after(() => balancer.close())
  const { port } = server.address() as AddressInfo
  const announced = await fetch(`http://127.0.0.1:${balancer.listeners.registration.port}/v1/backends/a`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    // The dot is for the resolver: no search list is gone through.
    body: JSON.stringify({ address: `LocalHost.:${port}`, capacity: { compute: 1, storage: 1 } }),
  })
  assert.equal(announced.status, 201)

  const ask = async (request: string): Promise<Wire> => {
    const wire = await dial(balancer.listeners.traffic.port)
    wire.send(request)
    await wire.closed
    return wire
  }
  const { text } = await ask(
    "POST / HTTP/1.1\r\nHost: b\r\nConnection: close\r\nX_Real_IP: 1\r\nTrailer: X-End\r\n" +
      `Transfer-Encoding: chunked\r\n\r\n${inChunks}`,
  )
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nTrailer: X-End\r\n/)
  assert.match(text, /\r\nVia: 1\.1 linebacker\r\n/)
  assert.ok(text.endsWith(`\r\n\r\n${inChunks}`), text)
  assert.match(
    (await ask("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n")).text,
    /^HTTP\/1\.1 400 [^]*invalid_host/,
  )
  assert.match((await ask("PUT / HTTP/1.0\r\n\r\n")).text, /^HTTP\/1\.1 200 OK\r\n/)

  const [first = "", second = ""] = seen
  assert.match(first, /\r\nX_Real_IP: 1\r\nTrailer: X-End\r\n/)
  assert.match(first, /\r\nCDN-Loop: linebacker\r\n/)
  assert.doesNotMatch(first, /\r\nVia:/)
  assert.ok(first.endsWith(`\r\n\r\n${inChunks}`), first)
  assert.match(second, /^PUT \/ HTTP\/1\.1\r\nHost: a\.example:81\r\n/)
})
