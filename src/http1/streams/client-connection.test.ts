import assert from "node:assert/strict"
import { test } from "node:test"
import { exchangeWorld, type ExchangeWorld, type FakeSocket } from "../../../test/support/exchange-world.ts"
import { get } from "../../../test/support/wire/messages.ts"
import type { RelayChange } from "../../../test/support/relay.ts"
import { VirtualClock } from "../../../test/support/virtual-clock.ts"

interface Asked extends ExchangeWorld {
  readonly socket: FakeSocket
  readonly said: () => string
  readonly pass: (ms: number) => Promise<void>
}

/** A client that has sent these bytes, the first request of which is at a backend. */
async function asked(timeouts: RelayChange["timeouts"] = {}, bytes = get()): Promise<Asked> {
  const clock = new VirtualClock()
  const world = exchangeWorld(clock, { timeouts: { clientHalfClosedMs: 1_000, ...timeouts } })
  let said = ""
  const { socket } = world.client((written) => (said += written.toString("latin1")))
  socket.push(Buffer.from(bytes))
  await Promise.resolve()
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 250) {
      await clock.run(clock.now() + Math.min(left, 250))
      world.deadlines.sweep(clock.now())
    }
  }
  return { ...world, socket, said: () => said, pass }
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
const event = "2\r\n:\n\r\n"
const isIdle = ({ table }: ExchangeWorld): boolean => table.isIdle(0) && table.isIdle(1)

test("a client that has ended its side is served for timeouts.clientHalfClosed", async () => {
  const at = await asked()
  at.socket.emit("end")
  await at.pass(750)
  at.busy[0]!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
  assert.match(at.said(), /ok$/)
  assert.deepEqual([at.socket.gone, at.counters.errors()], [undefined, {}])
})

test("it is given up when nothing could be written to it for that long, and what it held is given back", async () => {
  const at = await asked()
  at.socket.emit("end")
  await at.pass(1_500)
  assert.deepEqual([at.socket.gone, at.busy[0]!.socket.gone, isIdle(at)], ["closed", "closed", true])
  assert.deepEqual([at.counters.errors(), at.counters.failures(0)], [{ client_gone: 1 }, 0])
})

test("each piece of a response gives it the time again, and a stream that falls silent is cut", async () => {
  const at = await asked()
  at.socket.emit("end")
  at.busy[0]!.say(Buffer.from(streamHead))
  for (let i = 0; i < 20; i++) {
    await at.pass(750)
    at.busy[0]!.say(Buffer.from(event))
  }
  assert.equal(at.socket.gone, undefined)
  await at.pass(1_500)
  assert.deepEqual([at.socket.gone, at.busy[0]!.socket.gone, isIdle(at)], ["reset", "closed", true])
})

test("while it has still to take what it was sent, the time is that of a client that reads slowly", async () => {
  const at = await asked({ betweenBytesMs: 5_000 })
  at.busy[0]!.say(Buffer.from(streamHead))
  at.socket.takes = false
  at.busy[0]!.say(Buffer.from(event))
  at.socket.emit("end")
  await at.pass(4_000)
  assert.equal(at.socket.gone, undefined)
  at.socket.takes = true
  at.socket.emit("drain")
  await at.pass(1_500)
  assert.equal(at.socket.gone, "reset")
})

test("with 0s its exchange ends with its side, at once", async () => {
  const at = await asked({ clientHalfClosedMs: 0 })
  at.socket.emit("end")
  assert.deepEqual([at.socket.gone, isIdle(at)], ["closed", true])
})

test("a time longer than the exchange's own does not lengthen that", async () => {
  const at = await asked({ clientHalfClosedMs: 60_000, exchangeMs: 2_000 })
  at.socket.emit("end")
  await at.pass(3_000)
  assert.match(at.said(), /exchange_timeout/)
})

test("requests behind the one that is served get responses too, each within that time", async () => {
  const at = await asked({}, get("/1") + get("/2") + get("/3"))
  at.socket.emit("end")
  for (let i = 0; i < 3; i++) {
    await at.pass(750)
    at.busy[i]!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    await Promise.resolve()
  }
  assert.deepEqual([at.said().match(/ 200 /g)?.length, at.counters.errors()], [3, {}])
})

test("and are not served when it is given up before", async () => {
  const at = await asked({}, get("/1") + get("/2"))
  at.socket.emit("end")
  await at.pass(1_500)
  assert.deepEqual([at.socket.gone, at.busy.length, isIdle(at)], ["closed", 1, true])
})

test("a body behind, whose end can no longer come, is the end when its turn comes", async () => {
  const at = await asked({}, `${get("/1")}POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf`)
  at.socket.emit("end")
  at.busy[0]!.say(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
  assert.deepEqual([at.socket.gone, isIdle(at)], ["closed", true])
})

test("behind a request so much is read as a head may have, then no more until its turn", async () => {
  const at = await asked()
  const piece = Buffer.from(get("/x", `A: ${"a".repeat(7_000)}\r\n`))
  const taken = Array.from({ length: 8 }, () => at.socket.push(piece))
  assert.deepEqual(taken, [true, true, true, true, false, false, false, false])
})

test("a client that is not read for all that it has sent behind is given up after timeouts.betweenBytes of silence", async () => {
  const at = await asked({ betweenBytesMs: 2_000 })
  at.busy[0]!.say(Buffer.from(streamHead))
  const behind = Buffer.from(get("/x").repeat(2_000))
  assert.equal(at.socket.push(behind), false)
  for (let i = 0; i < 5; i++) {
    await at.pass(1_500)
    at.busy[0]!.say(Buffer.from(event))
  }
  assert.equal(at.socket.gone, undefined)
  await at.pass(3_000)
  assert.deepEqual([at.socket.gone, isIdle(at)], ["reset", true])
})

test("reading goes on behind a body whose last piece its backend has not taken yet, so that an end is seen", async () => {
  const at = await asked({}, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
  at.busy[0]!.socket.takes = false
  assert.equal(at.socket.push(Buffer.from("body")), true)
  at.socket.emit("end")
  await at.pass(1_500)
  assert.deepEqual([at.socket.gone, isIdle(at)], ["closed", true])
})

test("the time does not run while a backend has still to take a body that has come whole, as within TLS", async () => {
  const at = await asked({}, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
  at.busy[0]!.socket.takes = false
  at.socket.push(Buffer.from("bo"))
  at.socket.push(Buffer.from("dy"))
  at.socket.emit("end")
  await at.pass(5_000)
  assert.deepEqual([at.socket.gone, at.counters.errors()], [undefined, {}])
})

test("interim responses, of which a client of HTTP/1.0 gets none, give it no more time when it has ended its side", async () => {
  const at = await asked({}, "GET / HTTP/1.0\r\n\r\n")
  at.socket.emit("end")
  for (let i = 0; i < 3; i++) {
    await at.pass(500)
    at.busy[0]!.say(Buffer.from("HTTP/1.1 103 Early Hints\r\n\r\n"))
  }
  assert.deepEqual([at.said(), at.socket.gone, isIdle(at)], ["", "closed", true])
})
