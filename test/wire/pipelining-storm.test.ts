/**
 * Pipelining to backends in bad weather: whatever backends and clients do, a response belongs to its own request or
 * does not come.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import { pathOf } from "../support/wire/messages.ts"
import { chunked, type Message, pause, relay, type Script, scripted, type Wire } from "../support/relay.ts"
import { storm } from "../support/storm.ts"
import { until } from "../support/until.ts"

/** A response that names its request, in one of three framings. */
function answerTo(request: Message, draw: number): Buffer {
  const isHead = request.start.startsWith("HEAD")
  const body = Buffer.from(pathOf(request).repeat(draw % 5 === 0 ? 2_000 : 1))
  const early = draw % 7 === 0 ? "HTTP/1.1 103 Early Hints\r\n\r\n" : ""
  const framing = draw % 3 === 0 ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`
  const framed = draw % 3 === 0 ? chunked(body, 1 + (draw % 900)) : body
  return Buffer.concat([
    Buffer.from(`${early}HTTP/1.1 200 OK\r\n${framing}\r\nX-Path: ${pathOf(request)}\r\n\r\n`),
    isHead ? Buffer.alloc(0) : framed,
  ])
}

test("in a storm over pipelined connections every response names the request it came for", async (t) => {
  const { seed, rng, chance, uncaught } = storm(t)

  /** As it is, in two pieces, or byte by byte where it is short. */
  const sendOddly = async (wire: Wire, bytes: Buffer): Promise<void> => {
    if (chance(0.7)) return void wire.send(bytes)
    const size = bytes.length < 200 && chance(0.5) ? 1 : Math.ceil(bytes.length / 2)
    for (let at = 0; at < bytes.length; at += size) {
      wire.send(bytes.subarray(at, at + size))
      await new Promise(setImmediate)
    }
  }
  const mad: Script = async (wire) => {
    let gathered = Buffer.alloc(0)
    let next = wire.request()
    for (;;) {
      const request = await next
      next = wire.request()
      next.catch(() => {})
      const before = gathered
      const answer = answerTo(request, rng.below(1_000))
      if (chance(0.05)) await pause(rng.below(20))
      // Several responses in one segment, as servers send them that read pipelined requests at once.
      gathered = Buffer.concat([gathered, answer])
      const more = next.then(
        () => true,
        () => false,
      )
      if ((await Promise.race([more, pause(0)])) === true && chance(0.5)) continue
      const bytes = gathered
      gathered = Buffer.alloc(0)
      switch (rng.below(60)) {
        case 0:
          return wire.reset()
        case 1:
          wire.send(bytes)
          return wire.reset()
        case 2:
          wire.send(bytes.subarray(0, rng.below(bytes.length)))
          return chance(0.5) ? wire.reset() : void wire.socket.end()
        case 3:
          return void wire.send("HTTP/2000 what\r\n\r\n")
        case 4:
          // Stalls for ever.
          return
        case 5:
          wire.send(before)
          wire.send(`HTTP/1.1 200 OK\r\nX-Path: ${pathOf(request)}\r\n\r\n`)
          return void wire.socket.end(request.start.startsWith("HEAD") ? "" : pathOf(request))
        default:
          await sendOddly(wire, bytes)
      }
    }
  }
  const backends = [await scripted(t, mad), await scripted(t, mad), await scripted(t, mad)]
  const { client, counters, members, table } = await relay(t, backends, {
    limits: { pipelinedMax: 8, connectionsPerBackendMax: 12, queueMax: 100 },
    timeouts: { responseHeadMs: 300, betweenBytesMs: 300, queueMs: 500 },
  })

  let whole = 0
  const check = (response: Message, path: string, isHead: boolean): void => {
    if (response.status !== 200) {
      assert.ok(response.status >= 500, `${response.status} for ${path}, seed ${seed}`)
      return
    }
    whole++
    assert.equal(response.field("x-path"), path, `seed ${seed}`)
    if (!isHead) assert.match(response.body.toString(), new RegExp(`^(${path})+$`), `seed ${seed}`)
  }
  const wrong: unknown[] = []
  const behave = async (n: number): Promise<void> => {
    const wire = await client()
    for (let i = 0; i < 12 && !wire.gone; i++) {
      const asked = Array.from({ length: 1 + rng.below(3) }, (_, k) => ({
        path: `/${n}-${i}-${k}.`,
        isHead: chance(0.2),
      }))
      wire.send(
        asked
          .map(({ path, isHead }) => `${isHead ? "HEAD" : "GET"} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
          .join(""),
      )
      if (chance(0.05)) return wire.reset()
      for (const { path, isHead } of asked) {
        let response: Message | undefined
        do response = await wire.response(isHead).catch(() => undefined)
        while (response !== undefined && response.status < 200)
        // A cut response ends the connection: nothing may follow it.
        if (response === undefined) return
        check(response, path, isHead)
      }
    }
    wire.socket.end()
  }
  const running = Array.from({ length: 60 }, (_, n) =>
    behave(n).catch((error: unknown) => void wrong.push(error)),
  )
  await Promise.all(running)
  assert.deepEqual(wrong, [])
  assert.ok(whole > 100, `only ${whole} whole answers, seed ${seed}`)
  await until("the end of everything", () => members.every(({ slot }) => table.isIdle(slot)))
  assert.deepEqual(uncaught, [])
  assert.ok(counters.requests(0) > 0)
})
