import assert from "node:assert/strict"
import { test } from "node:test"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { exchangeWorld } from "../../../test/support/exchange-world.ts"
import { get } from "../../../test/support/wire/messages.ts"
import { VirtualClock } from "../../../test/support/virtual-clock.ts"

test("while a client takes no interim responses its backend's time for the final one stands still", async () => {
  const clock = new VirtualClock()
  const world = exchangeWorld(clock, { timeouts: { responseHeadMs: 1_000, betweenBytesMs: 60_000 } })
  const pass = async (ms: number): Promise<void> => {
    await clock.run(clock.now() + ms)
    world.deadlines.sweep(clock.now())
  }
  const { socket } = world.client()
  socket.push(Buffer.from(get()))
  await Promise.resolve()
  socket.takes = false
  world.busy[0]!.say(Buffer.from("HTTP/1.1 103 Early Hints\r\n\r\n"))
  await pass(5_000)
  assert.deepEqual(world.counters.errors(), {})
  socket.takes = true
  socket.emit("drain")
  await pass(500)
  assert.deepEqual(world.counters.errors(), {})
  await pass(1_500)
  assert.deepEqual(world.counters.errors(), { response_head_timeout: 1 })
  socket.emit("close")
})

for (const [whose, field] of [
  ["free for all clients", ""],
  ["its client's own", "Authorization: NTLM TlRM\r\n"],
] as const) {
  test(`what went through a tunnel reaches the backend after the client has gone, where the connection is ${whose}`, async () => {
    const world = exchangeWorld(new VirtualClock())
    const { socket } = world.client()
    socket.push(Buffer.from(get("/", `${field}Connection: upgrade\r\nUpgrade: x\r\n`)))
    await Promise.resolve()
    const backend = world.busy[0]!
    backend.say(Buffer.from("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"))
    backend.socket.emit("end")
    socket.emit("end")
    socket.emit("close")
    assert.equal(backend.socket.gone, "flushing")
    backend.socket.emit("close")
    assert.equal(world.owner.descriptors.open, 0)
  })
}

test("a connection whose request has not all left when the response ends carries no other client's", async () => {
  for (const [left, gone] of [
    [1, "closed"],
    [0, undefined],
  ] as const) {
    const world = exchangeWorld(new VirtualClock())
    const { socket } = world.client()
    socket.push(Buffer.from(get()))
    await Promise.resolve()
    const backend = world.busy[0]!
    backend.socket.writableLength = left
    backend.say(Buffer.from("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"))
    assert.deepEqual([backend.socket.gone, world.table.isIdle(0) && world.table.isIdle(1)], [gone, true])
    socket.emit("close")
  }
})

for (const [what, response] of [
  ["a tunnel", "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
  ["a response that goes on", `HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n${"x".repeat(20_000)}`],
] as const) {
  test(`${what} does not keep the buffer in memory that its head was read to, once another is read to`, async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const world = exchangeWorld(new VirtualClock())
    const clients = [0, 1].map(() => world.client())
    for (const { socket } of clients) {
      socket.push(Buffer.from(get("/", "Connection: upgrade\r\nUpgrade: x\r\n")))
      await Promise.resolve()
    }
    const [first, second] = world.busy
    const buffer = new WeakRef(first!.reads())
    // The client is behind: the buffer is lent to it.
    clients[0]!.socket.writableLength = 1
    first!.say(Buffer.from(response))
    clients[0]!.socket.writableLength = 0
    first!.say(Buffer.from("more"))
    // A thread has one head for all responses, which is this one's now.
    second!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    await new Promise(setImmediate)
    collect()
    const isKept = buffer.deref() !== undefined
    for (const { socket } of clients) socket.emit("close")
    assert.equal(isKept, false)
  })
}
