/** Bytes that wait: counted in buffers and in copied bytes, however small the pieces are that they come in. */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { exchangeWorld } from "../../../test/support/exchange-world.ts"
import { get } from "../../../test/support/wire/messages.ts"
import { VirtualClock } from "../../../test/support/virtual-clock.ts"

/** Counts the bytes that `Buffer.copy` and `Buffer.concat` have moved. */
function copies(t: TestContext): () => number {
  const { mock: copying } = t.mock.method(Buffer.prototype, "copy")
  const { mock: joining } = t.mock.method(Buffer, "concat")
  return () => {
    let bytes = 0
    for (const { result } of copying.calls) bytes += Number(result ?? 0)
    for (const { result } of joining.calls) bytes += (result as Buffer | undefined)?.length ?? 0
    return bytes
  }
}

/** Each byte in a buffer of its own. */
function* drops(text: string): Iterable<Buffer> {
  for (let i = 0; i < text.length; i++) yield Buffer.from(text.slice(i, i + 1), "latin1")
}

test("an upload in pieces of one byte waits for its backend in a few buffers", async () => {
  const world = exchangeWorld(new VirtualClock())
  const { socket } = world.client()
  const length = 60_000
  socket.push(Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`))
  for (const drop of drops(`${length.toString(16)}\r\n${"x".repeat(length)}`)) socket.push(drop)
  await Promise.resolve()
  // The head and what was kept, each piece with a write of its own.
  assert.ok(world.busy.length < 5, `${world.busy.length} writes`)
  assert.ok(world.busy[0]!.socket.writtenBytes > length)
  world.busy[0]!.socket.emit("close")
  socket.emit("close")
})

test("a head that drips in, from a client or from a backend, is not copied anew with each byte", async (t) => {
  const world = exchangeWorld(new VirtualClock())
  const { socket } = world.client()
  const copied = copies(t)
  const fields = `X-Long: ${"x".repeat(7_000)}\r\n`.repeat(3)
  for (const drop of drops(get("/", fields))) socket.push(drop)
  await Promise.resolve()
  const backend = world.busy.pop()!
  for (const drop of drops(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 0\r\n\r\n`)) backend.say(drop)
  assert.ok(socket.writtenBytes > 21_000)
  // Twice 21 KiB, a handful of times.
  assert.ok(copied() < 500_000, `${copied()} bytes were copied`)
  socket.emit("close")
})

test("requests that wait behind another are not copied anew with each byte", async (t) => {
  const world = exchangeWorld(new VirtualClock())
  const { socket } = world.client()
  socket.push(Buffer.from(get()))
  await Promise.resolve()
  const copied = copies(t)
  // A client that pipelines is told to wait; within TLS more may come all the same.
  for (const drop of drops("x".repeat(20_000))) socket.push(drop)
  assert.ok(copied() < 200_000, `${copied()} bytes were copied`)
  socket.emit("close")
})

test("small pieces for a client that is behind are held in bounded number, and go on when it has taken them", async () => {
  const world = exchangeWorld(new VirtualClock())
  const { socket, exchange } = world.client()
  socket.push(Buffer.from(get()))
  await Promise.resolve()
  const backend = world.busy.pop()!
  backend.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
  const say = (): void => {
    backend.say(Buffer.from("x"))
    socket.writableLength++
  }
  for (let i = 0; i < 500 && !exchange.isHeldUp; i++) say()
  assert.ok(exchange.isHeldUp)
  // The socket has not been told that it is full: it is asked for the last piece.
  socket.writableLength = 0
  socket.onTaken!()
  assert.ok(!exchange.isHeldUp)
  say()
  assert.ok(!exchange.isHeldUp)
  socket.emit("close")
})

test("small pieces for a backend that is behind are held in bounded number, and the client is read again when it has taken them", async () => {
  const world = exchangeWorld(new VirtualClock(), { limits: { replayBytesMax: 0 } })
  const { socket } = world.client()
  socket.push(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx"))
  await Promise.resolve()
  const backend = world.busy[0]!.socket
  const sends = (): boolean => {
    const isRead = socket.push(Buffer.from("x"))
    backend.writableLength++
    return isRead
  }
  let sent = 0
  while (sent < 500 && sends()) sent++
  assert.ok(sent < 500)
  backend.writableLength = 0
  backend.onTaken!()
  assert.ok(sends())
  socket.emit("close")
})
