import assert from "node:assert/strict"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { test, type TestContext } from "node:test"
import type { ErrorCode } from "../../core/errors.ts"
import { Deadlines } from "../../net/deadlines.ts"
import { type Arrival, Entrance } from "./entrance.ts"
import { writeProxyHeader } from "../../net/proxy-protocol.ts"
import { until } from "../../../test/support/until.ts"

interface Entered {
  readonly client: Socket
  readonly entrance: Entrance
  readonly deadlines: Deadlines
  readonly arrivals: Arrival[]
  readonly gone: (ErrorCode | undefined)[]
  /** What the arrival has been read, with a full stop at its end. */
  readonly text: () => string
}

/** A connection that owes a PROXY header, and both its ends. */
async function entered(t: TestContext): Promise<Entered> {
  const deadlines = new Deadlines(0)
  const arrivals: Arrival[] = []
  const gone: (ErrorCode | undefined)[] = []
  let text = ""
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve))
  const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", noDelay: true })
  client.on("error", () => {})
  const socket = await accepted
  t.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  const owner = {
    deadlines,
    timeouts: { clientHeadMs: 1_000, tlsHandshakeMs: 1_000 },
    onArrival: (_: Entrance, arrival: Arrival) => {
      arrivals.push(arrival)
      arrival.socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
      arrival.socket.on("end", () => (text += "."))
    },
    onGone: (_: Entrance, code: ErrorCode | undefined) => gone.push(code),
    httpDate: () => "now",
  }
  const entrance = new Entrance(owner, socket, undefined)
  entrance.start(true)
  return { client, entrance, deadlines, arrivals, gone, text: () => text }
}

const source = { host: "203.0.113.5", port: 1 }
const header = writeProxyHeader(2, source, { host: "198.51.100.1", port: 2 })

test("what came behind the header is read by what takes the arrival, and nothing of it is lost", async (t) => {
  const { client, arrivals, gone, deadlines, text } = await entered(t)
  client.write(Buffer.concat([header, Buffer.from("first")]))
  await until("it arrives", () => arrivals.length === 1)
  const { socket, transport, peer, isTls } = arrivals[0]!
  assert.deepEqual([peer, isTls, socket === transport], ["203.0.113.5", false, true])
  client.end(", second")
  await until("all is read", () => text().endsWith("."))
  assert.equal(text(), "first, second.")
  // The entrance has let go of it: no limit runs, and its end is not told.
  deadlines.sweep(1_000_000)
  assert.deepEqual([gone, socket.listenerCount("close"), socket.listenerCount("data")], [[], 0, 1])
})

test("time that runs out ends it once", async (t) => {
  const { client, deadlines, arrivals, gone } = await entered(t)
  client.write(header.subarray(0, 10))
  deadlines.sweep(1_249)
  assert.deepEqual(gone, [])
  deadlines.sweep(1_250)
  assert.deepEqual(gone, ["head_timeout"])
  await new Promise((resolve) => client.resume().once("close", resolve))
  assert.deepEqual([gone, arrivals], [["head_timeout"], []])
})

test("a connection that is told to go is no error", async (t) => {
  const { client, entrance, gone } = await entered(t)
  entrance.destroy()
  entrance.destroy()
  await new Promise((resolve) => client.resume().once("close", resolve))
  assert.deepEqual(gone, [undefined])
})
