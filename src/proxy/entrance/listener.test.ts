import assert from "node:assert/strict"
import { lookup } from "node:dns/promises"
import { connect } from "node:net"
import { test } from "node:test"
import { noIpv6 } from "../../../test/support/no-ipv6.ts"
import { isOpen } from "../../../test/support/processes.ts"
import { Listener } from "./listener.ts"
import { freePorts } from "../../../test/support/free-ports.ts"

test("a port that the system chose is shared by a second listener", async (t) => {
  let accepted = 0
  const listeners = [0, 1].map(() => {
    return new Listener(10, (socket) => {
      accepted++
      socket.end()
    })
  })
  t.after(() => {
    for (const listener of listeners) listener.close()
  })
  const [first, second] = listeners
  const port = await first!.listen({ host: "127.0.0.1", port: 0 })
  assert.ok(port > 0)
  assert.equal(await second!.listen({ host: "127.0.0.1", port }), port)
  assert.deepEqual([first!.port, second!.port], [port, port])
  for (let i = 1; i <= 8; i++) {
    await new Promise((resolve) => connect(port, "127.0.0.1").resume().once("close", resolve))
    assert.equal(accepted, i)
  }
})

test("localhost takes connections of both families", { skip: noIpv6 }, async (t) => {
  const listener = new Listener(10, (socket) => socket.end())
  t.after(() => listener.close())
  const port = await listener.listen({ host: "localhost", port: 0 })
  for (const host of ["127.0.0.1", "::1"]) assert.equal(await isOpen(port, host), true, host)
  listener.close()
  for (const host of ["127.0.0.1", "::1"]) assert.equal(await isOpen(port, host), false, host)
})

test("an address that is not to be had is the system's error, and leaves no port", async () => {
  const listener = new Listener(10, () => {})
  await assert.rejects(listener.listen({ host: "192.0.2.1", port: 0 }), { code: "EADDRNOTAVAIL" })
  assert.equal(listener.port, 0)
})

for (const host of ["127.0.0.1", "localhost"]) {
  test(`a listener that is closed while it opens on ${host} is closed`, async () => {
    const listener = new Listener(1, () => {})
    const [port] = await freePorts(1)
    const opening = listener.listen({ host, port: port! })
    listener.close()
    await opening
    // The name that it had begun to look up is known by now.
    await lookup(host)
    assert.equal(await isOpen(port!), false)
  })
}
