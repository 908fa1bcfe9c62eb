import assert from "node:assert/strict"
import { createServer, type Socket } from "node:net"
import { test, type TestContext } from "node:test"
import type { Channel, ChannelOwner } from "./channel.ts"
import { dialerOf } from "./connection.ts"

/** What an owner heard, one line each. */
class Listener implements ChannelOwner<Channel> {
  readonly heard: string[] = []
  #wake: () => void = () => {}

  onOpen(): void {
    this.#hear("open")
  }

  onAnswer(_: Channel, status: number, bytes: number, backend: string | undefined, keeps: boolean): void {
    this.#hear(`${status} ${bytes} bytes of ${backend ?? "no backend"}${keeps ? "" : ", closed"}`)
  }

  onFailed(_: Channel, error: string, detail: string, stale: boolean): void {
    this.#hear(`${error}${detail === "" ? "" : ` (${detail})`}${stale ? ", stale" : ""}`)
  }

  async until(count: number): Promise<void> {
    while (this.heard.length < count) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  #hear(line: string): void {
    this.heard.push(line)
    this.#wake()
  }
}

/** A server that says these pieces to each request, each in a turn of its own, then does `then`. */
async function serverOf(
  t: TestContext,
  pieces: readonly string[],
  then: (socket: Socket) => void = () => {},
): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.on("data", () => {
      const say = (at: number): void => {
        if (at === pieces.length) then(socket)
        else socket.write(pieces[at]!, "latin1", () => setImmediate(say, at + 1))
      }
      say(0)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  return (server.address() as { port: number }).port
}

/** What is heard of one request. */
async function heardOf(port: number, isHead = false): Promise<string[]> {
  const listener = new Listener()
  const channel = dial(port, listener)
  await listener.until(1)
  if (listener.heard[0] === "open") {
    channel.send(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), isHead)
    await listener.until(2)
    channel.destroy()
  }
  return listener.heard.slice(listener.heard[0] === "open" ? 1 : 0)
}

function dial(port: number, listener: Listener): Channel {
  return dialerOf({ host: "127.0.0.1", address: "127.0.0.1", port, secure: false, verify: true })(listener)
}

const whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Linebacker-Backend: b-1\r\n\r\nhi"

for (const [what, pieces, heard] of [
  ["a response in one piece", [whole], "200 67 bytes of b-1"],
  ["a response byte by byte", whole.split(""), "200 67 bytes of b-1"],
  [
    "a chunked response",
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "0\r\n\r\n"],
    "200 59 bytes of no backend",
  ],
  [
    "an interim response before the final one",
    [`HTTP/1.1 103 Early Hints\r\n\r\n${whole}`],
    "200 95 bytes of b-1",
  ],
  [
    "a response that ends the connection",
    ["HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
    "404 57 bytes of no backend, closed",
  ],
  [
    "HTTP/1.0 that is not kept",
    ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
    "200 38 bytes of no backend, closed",
  ],
  ["no HTTP at all", ["SSH-2.0-OpenSSH_9\r\n"], "malformed_response (malformed_start_line)"],
  ["bytes behind the end", [`${whole}more`], "malformed_response (bytes follow the response's end)"],
  [
    "a chunk size that is none",
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    "malformed_response (invalid_chunk)",
  ],
  [
    "101 that was not asked for",
    ["HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    "malformed_response (101 was not asked for)",
  ],
] as const) {
  test(`${what}: ${heard}`, async (t) => {
    assert.deepEqual(await heardOf(await serverOf(t, pieces)), [heard])
  })
}

test("a body without a length ends with the connection", async (t) => {
  const port = await serverOf(t, ["HTTP/1.1 200 OK\r\n\r\nhello"], (socket) => socket.end())
  assert.deepEqual(await heardOf(port), ["200 24 bytes of no backend, closed"])
})

test("HEAD has no body whatever its head says", async (t) => {
  const port = await serverOf(t, ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"])
  assert.deepEqual(await heardOf(port, true), ["200 38 bytes of no backend"])
})

test("a response that is cut is never complete", async (t) => {
  const pieces = ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"]
  assert.deepEqual(await heardOf(await serverOf(t, pieces, (socket) => socket.end())), ["closed_early"])
  const [reset] = await heardOf(await serverOf(t, pieces, (socket) => socket.resetAndDestroy()))
  assert.match(reset!, /^reset \(ECONNRESET\)$/)
})

test("a peer that closes without a response on a fresh connection is an error, on a kept one it is stale", async (t) => {
  assert.deepEqual(await heardOf(await serverOf(t, [], (socket) => socket.end())), ["closed_early"])

  let requests = 0
  const port = await serverOf(t, [], (socket) => {
    if (++requests === 1) socket.write(whole)
    else socket.end()
  })
  const listener = new Listener()
  const channel = dial(port, listener)
  await listener.until(1)
  channel.send(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false)
  await listener.until(2)
  channel.send(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false)
  await listener.until(3)
  assert.deepEqual(listener.heard, ["open", "200 67 bytes of b-1", "closed_early, stale"])
})

test("a port on which no program listens refuses", async (t) => {
  const port = await serverOf(t, [])
  const server = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  const free = (server.address() as { port: number }).port
  await new Promise((resolve) => server.close(resolve))
  assert.notEqual(free, port)
  assert.deepEqual(await heardOf(free), ["connect_refused (ECONNREFUSED)"])
})
