/** Connections beyond the descriptors that there are, in a data plane of this process. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Descriptors } from "../../src/proxy/threads/descriptors.ts"
import { get, ok } from "../support/wire/messages.ts"
import { answering, pause, relay, routingOf, scripted } from "../support/relay.ts"
import { until } from "../support/until.ts"

test("a client for which there is no descriptor is closed at once, and the next is let in when one has left", async (t) => {
  const descriptors = Descriptors.create(1)
  descriptors.limit(3, 2)
  const { client, counters } = await relay(t, [await answering(t, () => ok("done"))], { descriptors })
  const [first, second] = [await client(), await client()]
  for (const wire of [first, second]) {
    wire.send(get())
    assert.equal((await wire.response()).status, 200)
  }
  // Two of clients and one idle to the backend, which gives way in vain.
  assert.equal(descriptors.open, 3)
  const refused = await client()
  await refused.closed
  assert.equal(refused.received, 0)
  assert.deepEqual(counters.errors(), { too_many_connections: 1 })
  for (const wire of [first, second]) wire.socket.destroy()
  await until("they are gone", () => descriptors.open === 0)
  const next = await client()
  next.send(get())
  assert.equal((await next.response()).status, 200)
})

test("a connection that is idle to a backend gives way to a client", async (t) => {
  const descriptors = Descriptors.create(1)
  descriptors.limit(3, 2)
  const { client } = await relay(t, [await answering(t, () => ok("done"))], { descriptors })
  // One of a client and one idle to the backend: there is none for another client.
  for (const wire of [await client(), await client()]) {
    wire.send(get())
    assert.equal((await wire.response()).status, 200)
  }
})

test("without a descriptor for a backend, a request waits for a connection that is there", async (t) => {
  const descriptors = Descriptors.create(1)
  descriptors.limit(3, 3)
  const answers: (() => void)[] = []
  const backend = await scripted(t, async (wire) => {
    for (;;) {
      await wire.request()
      await new Promise<void>((resolve) => answers.push(resolve))
      wire.send(ok("done"))
    }
  })
  const { client, table } = await relay(t, [backend], { descriptors })
  const [first, second] = [await client(), await client()]
  first.send(get())
  await until("it is under way", () => table.inFlight(0) === 1 && backend.wires.length === 1)
  second.send(get())
  await pause(20)
  assert.equal(table.inFlight(0), 1)
  await until("the backend has it", () => answers.length === 1)
  answers[0]!()
  assert.equal((await first.response()).status, 200)
  await until("the backend has the next", () => answers.length === 2)
  answers[1]!()
  assert.equal((await second.response()).status, 200)
  assert.equal(backend.wires.length, 1)
})

test("without a descriptor for a backend, what is idle elsewhere gives way", async (t) => {
  const descriptors = Descriptors.create(1)
  descriptors.limit(2, 2)
  const backends = [await answering(t, () => ok("zero")), await answering(t, () => ok("one"))]
  const { client, plane } = await relay(t, backends, { descriptors })
  const wire = await client()
  for (const [id, body] of [
    ["b0", "zero"],
    ["b1", "one"],
  ] as const) {
    const routing = routingOf("round-robin")
    const match = { labels: {}, zone: undefined, ids: [id] }
    plane.reroute({ ...routing, groups: [{ ...routing.groups[0]!, match }] })
    wire.send(get())
    assert.equal((await wire.response()).body.toString(), body)
    assert.equal(descriptors.open, 2)
  }
})
