import assert from "node:assert/strict"
import { createServer, get, type ServerResponse } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { test, type TestContext } from "node:test"
import { boundCrowd } from "./crowd.ts"
import { until } from "../../../test/support/until.ts"

const connectionsMax = 8

for (const { what, bytes } of [
  { what: "silent", bytes: "" },
  { what: "that send half a head", bytes: "GET / HTTP/1.1\r\nHost: a\r\n" },
  { what: "that send half a body", bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf" },
  { what: "that idle after a request", bytes: "GET /now HTTP/1.1\r\nHost: a\r\n\r\n" },
  { what: "that take no response", bytes: "GET /much HTTP/1.1\r\nHost: a\r\n\r\n" },
]) {
  test(`a crowd of connections ${what} keeps no other away: the oldest is ended`, async (t) => {
    const { open, ask, accepted } = await started(t)
    for (let i = 0; i < connectionsMax * 3; i++) await open(bytes)
    assert.equal(await ask("/now"), 200)
    // The one that asked has taken a place too.
    const ended = accepted.slice(0, connectionsMax * 3).map(({ destroyed }) => destroyed)
    assert.deepEqual(ended, [
      ...Array(connectionsMax * 2 + 1).fill(true),
      ...Array(connectionsMax - 1).fill(false),
    ])
  })
}

test("a connection whose response is under way is never ended for another, which is refused", async (t) => {
  const { open, ask, pending } = await started(t)
  const crowd: Socket[] = []
  for (let i = 0; i < connectionsMax; i++) crowd.push(await open("GET /later HTTP/1.1\r\nHost: a\r\n\r\n"))
  await until("all are asked", () => pending.length === connectionsMax)
  await assert.rejects(ask("/now"))
  assert.ok(crowd.every((one) => !one.closed))
  pending[3]!.end("done")
  await until("its response comes", () => crowd[3]!.bytesRead > 0)
  assert.equal(await ask("/now"), 200)
})

async function started(t: TestContext) {
  const pending: ServerResponse[] = []
  const accepted: Socket[] = []
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (request.url === "/later") pending.push(response)
    else if (request.url === "/much") response.end(Buffer.alloc(16 * 1024 * 1024))
    else if (request.method === "GET") response.end("now")
  })
  server.on("connection", (socket) => accepted.push(socket))
  boundCrowd(server, connectionsMax)
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const sockets: Socket[] = []
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  return {
    pending,
    accepted,
    /** A connection that has sent these bytes and been seen by the server. */
    open: async (bytes: string): Promise<Socket> => {
      const socket = connect({ port, host: "127.0.0.1" })
      sockets.push(socket.on("error", () => {}))
      const seen = new Promise<void>((resolve) => void server.once("connection", () => resolve()))
      const before = requests
      socket.write(bytes)
      await seen
      if (bytes.includes("\r\n\r\n")) await until("the request is there", () => requests > before)
      if (bytes.includes("/now")) await until("its response comes", () => socket.bytesRead > 0)
      if (!bytes.includes("/much")) socket.resume()
      return socket
    },
    ask: (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const call = get({ port, path, agent: false }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
        call.on("error", reject)
      }),
  }
}
