import assert from "node:assert/strict"
import { test } from "node:test"
import { exchangeWorld } from "../../../test/support/exchange-world.ts"
import type { RelayChange } from "../../../test/support/relay.ts"
import { VirtualClock } from "../../../test/support/virtual-clock.ts"
import { ResponseHeads } from "./response-heads.ts"

/** Heads of responses, and the thread's context with the head that they are read into. */
function heads(change: RelayChange = {}) {
  const { owner, deadlines } = exchangeWorld(new VirtualClock(), change)
  const reader = new ResponseHeads(owner)
  const take = (text: string): boolean => reader.take(Buffer.from(text, "latin1"), 0, text.length)
  return { reader, take, deadlines, head: owner.responseHead }
}

/** What has come behind the last head. */
function rest({ bytes, at, to }: ResponseHeads): string {
  return bytes.toString("latin1", at, to)
}

const early = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
const final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

test("heads that come together are found one after the other, and what is behind them", () => {
  const { reader, take, head } = heads()
  assert.ok(take(`${early}${final}ok`))
  assert.deepEqual([reader.next(), head.status], ["head", 103])
  assert.deepEqual([reader.next(), head.status, rest(reader)], ["head", 200, "ok"])
})

test("a head in pieces is looked at for each of its lines, however it is split, and what had come is not lost", () => {
  const all = `${early}${final}ok`
  for (let split = 1; split < all.length - 2; split++) {
    const { reader, take, head } = heads()
    const found: number[] = []
    for (const piece of [all.slice(0, split), all.slice(split)]) {
      if (!take(piece)) continue
      while (!found.includes(200) && reader.next() === "head") found.push(head.status)
    }
    assert.deepEqual([found, rest(reader)], [[103, 200], "ok"], `split at ${split}`)
  }
})

test("a piece without the end of a line is not worth another look", () => {
  const { reader, take } = heads()
  take("HTTP/1.1 200 ")
  assert.equal(reader.next(), "part")
  assert.deepEqual([take("O"), take("K"), take("\r\n")], [false, false, true])
})

test("a head that does not end is refused when it is too large", () => {
  const { reader, take } = heads({ limits: { headBytesMax: 50 } })
  take("HTTP/1.1 200 OK\r\n")
  assert.equal(reader.next(), "part")
  assert.ok(take("x".repeat(50)))
  assert.deepEqual([reader.next(), reader.error], ["invalid", "head_too_large"])
})

test("what breaks the grammar is refused, or set straight where that is allowed", () => {
  const bent = "HTTP/1.1 200 OK\nContent-Length : 2\n\nok"
  const strict = heads()
  strict.take(bent)
  assert.deepEqual([strict.reader.next(), strict.reader.error], ["invalid", "bare_line_ending"])
  const lenient = heads({ upstream: { lenientHeads: true } })
  lenient.take(bent)
  assert.deepEqual(
    [lenient.reader.next(), lenient.head.contentLength, rest(lenient.reader)],
    ["head", 2, "ok"],
  )
})

test("interim responses may come by the second as fast as the limit says", () => {
  const { reader, take, deadlines } = heads({ limits: { interimBytesPerSecondMax: 2 * early.length } })
  take(early.repeat(2))
  assert.deepEqual([reader.next(), reader.next(), reader.next()], ["head", "head", "part"])
  deadlines.sweep(2_000)
  take(early.repeat(3))
  assert.deepEqual([reader.next(), reader.next(), reader.next()], ["head", "head", "invalid"])
  assert.equal(reader.error, "a flood of 1xx")
})
