import assert from "node:assert/strict"
import type { Socket } from "node:net"
import { test } from "node:test"
import { FakeSocket } from "../../../test/support/exchange-world.ts"
import { pieces, responseHead } from "../../../test/support/fake-streams.ts"
import { dataPlaneOptions } from "../../../test/support/relay.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { Deadlines } from "../../net/deadlines.ts"
import { ClientOutput } from "./client-output.ts"
import { ResponseWriter } from "./response-writer.ts"

/** A writer, and what reaches the client by it: each write by itself. */
function writer(method = "GET", takesChunks = true) {
  const writes: string[] = []
  const socket = new FakeSocket((bytes) => writes.push(bytes.toString("latin1")))
  const output = new ClientOutput(socket as unknown as Socket, true, new Deadlines(0), () => {})
  const written = new ResponseWriter(output, dataPlaneOptions(resourcesDefault))
  written.begin(method, takesChunks)
  return { writer: written, output, socket, writes }
}

const head = responseHead("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
const start = "HTTP/1.1 200 OK\r\nA: b\r\n"

test("a small response leaves in one write, and a large one as it is behind its head", () => {
  const { writer: one, output, writes } = writer()
  assert.equal(one.whole(head, "", false, Buffer.from("..body.."), 2, 6), false)
  const large = Buffer.alloc(20_000, "x")
  assert.equal(one.whole(head, "B: c\r\n", true, large, 0, large.length), true)
  assert.deepEqual(writes, [
    `${start}\r\nbody`,
    `${start}Connection: close\r\nB: c\r\n\r\n`,
    large.toString(),
  ])
  assert.equal(output.bytes, writes.join("").length)
})

test("a body without a length gets chunked framing, and its trailers that may go on come behind the last chunk", () => {
  const { writer: one, writes } = writer()
  assert.equal(one.first(head, "", false, pieces("hello")), true)
  assert.ok(one.more(pieces(" ", "world!")))
  one.end("Grpc-Status: 0\r\nContent-Length: 1\r\n")
  assert.equal(
    writes.join(""),
    `${start}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\nGrpc-Status: 0\r\n\r\n`,
  )
})

test("a body that has its framing ends by that", () => {
  const { writer: one, writes } = writer()
  const chunked = responseHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
  one.first(chunked, "", false, { framing: "chunked", output: [Buffer.from("0\r\n\r\n")], outputCount: 1 })
  one.end("")
  assert.equal(writes.join(""), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
})

test("a client of HTTP/1.0 gets no chunked framing: its connection ends the body", () => {
  const { writer: one, writes } = writer("GET", false)
  assert.ok(one.endsByClosing(head, pieces()))
  one.first(head, "", true, pieces("body"))
  one.end("")
  assert.equal(writes.join(""), `${start}Connection: close\r\n\r\nbody`)
})

test("a response to HEAD, or one that can have no body, is given no framing", () => {
  for (const [method, status] of [
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ] as const) {
    const { writer: one, writes } = writer(method)
    one.first(responseHead(`HTTP/1.1 ${status} X\r\n\r\n`), "", false, { ...pieces(), framing: "close" })
    one.end("")
    assert.equal(writes.join(""), `HTTP/1.1 ${status} X\r\n\r\n`)
  }
})

test("it says whether the client takes no more", () => {
  const { writer: one, output, socket } = writer()
  one.first(head, "", false, { framing: "length", output: [], outputCount: 0 })
  socket.takes = false
  assert.ok(!one.more({ framing: "length", output: [Buffer.from("x")], outputCount: 1 }))
  assert.ok(output.isBehind)
  output.onDrain()
  assert.ok(!output.isBehind)
})

/** Whether the client hears of this protocol. */
function offers(status: number, protocol: string): boolean {
  const { writer: one, writes } = writer()
  const upgrade = responseHead(
    `HTTP/1.1 ${status} X\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\nContent-Length: 0\r\n\r\n`,
  )
  one.whole(upgrade, "", false, Buffer.alloc(0), 0, 0)
  return /^Upgrade: /m.test(writes.join(""))
}

test("of other protocols a client hears with 426, else only of what it can have", () => {
  assert.deepEqual([offers(426, "h2c"), offers(200, "h2c"), offers(200, "websocket")], [true, false, true])
})
