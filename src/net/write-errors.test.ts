import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { test, type TestContext } from "node:test"
import { Worker } from "node:worker_threads"
import { outliveWriteErrors } from "./write-errors.ts"

/** Responds, and closes without having read what was sent, which resets the connection; then says so. */
const refuser = `
  const { parentPort, workerData } = require("node:worker_threads")
  const server = require("node:net").createServer({ pauseOnConnect: true }, (socket) => {
    socket.write("response")
    socket.destroySoon()
    socket.on("close", () => { Atomics.store(workerData, 0, 1); Atomics.notify(workerData, 0) })
  })
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port))`

/** Writes to a peer that has responded and then reset: what is read afterwards, and what fails at the end. */
async function readAfterFailedWrite(t: TestContext, outlives: boolean): Promise<string> {
  const isReset = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(refuser, { eval: true, workerData: isReset })
  t.after(() => worker.terminate())
  const [port] = (await once(worker, "message")) as [number]
  const socket = connect(port, "127.0.0.1")
  let read = ""
  let failed = 0
  if (outlives) outliveWriteErrors(socket, () => failed++)
  socket.on("end", () => {
    assert.equal(failed, 1)
    read += " end"
    socket.destroy()
  })
  socket.on("data", (bytes: Buffer) => (read += bytes.toString()))
  socket.on("error", (error: NodeJS.ErrnoException) => (read += ` ${error.syscall}`))
  const closed = once(socket, "close").catch(() => {})
  socket.once("connect", () => {
    socket.write("this will not be read")
    // Nothing is read in this turn, so the reset is met by the next write.
    assert.notEqual(Atomics.wait(isReset, 0, 0, 5_000), "timed-out")
    socket.write("one")
    socket.write("two")
  })
  await closed
  return read
}

test("what the other side said before it reset is read although a write has failed", async (t) => {
  assert.equal(await readAfterFailedWrite(t, true), "response end")
})

test("without that, Node loses it", async (t) => {
  assert.equal(await readAfterFailedWrite(t, false), " write")
})

test("writes that succeed are told, one by one and gathered", async (t) => {
  const server = createServer((peer) => peer.pipe(peer))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  t.after(() => void server.close())
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
  outliveWriteErrors(socket, () => assert.fail("a write failed"))
  let read = ""
  let written = 0
  socket.on("data", (bytes: Buffer) => (read += bytes.toString()))
  for (let i = 0; i < 10; i++) {
    if (i === 4) socket.cork()
    socket.write(String(i), () => written++)
    if (i === 6) socket.uncork()
    if (i === 2) await once(socket, "connect")
  }
  socket.end()
  await once(socket, "close")
  assert.deepEqual([read, written], ["0123456789", 10])
})
