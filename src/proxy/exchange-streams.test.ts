/** An exchange between streams of no protocol: what it may rely on, and what streams of any protocol may rely on. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { exchangeWorld, type ExchangeWorld } from "../../test/support/exchange-world.ts"
import {
  FakeBackendStream,
  FakeClientStream,
  pieces,
  requestHead,
  responseHead,
  somewhere,
} from "../../test/support/fake-streams.ts"
import type { RelayChange } from "../../test/support/relay.ts"
import { VirtualClock } from "../../test/support/virtual-clock.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import { Exchange } from "./exchange.ts"
import type { RequestRecord } from "./request-record.ts"

interface Stage extends ExchangeWorld {
  /** Streams in the order in which exchanges asked for them. */
  readonly streams: FakeBackendStream[]
  readonly left: Pick<RequestRecord, "ending" | "error" | "attempts">[]
  readonly begin: (
    head: MessageHead,
    hasBody?: boolean,
  ) => {
    readonly client: FakeClientStream
    readonly exchange: Exchange
  }
}

function stage(change: RelayChange = {}): Stage {
  const left: Stage["left"] = []
  const onRequestEnd = ({ ending, error, attempts }: RequestRecord): void =>
    void left.push({ ending, error, attempts })
  const world = exchangeWorld(new VirtualClock(), change, { onRequestEnd })
  const streams: FakeBackendStream[] = []
  for (const { site } of world.fleet.placer.groups[0]!.eligible) {
    const take = (): FakeBackendStream => {
      const stream = new FakeBackendStream(site)
      streams.push(stream)
      return stream
    }
    Object.assign(site, { take, dial: take })
  }
  const begin: Stage["begin"] = (head, hasBody = false) => {
    const client = new FakeClientStream()
    const exchange = new Exchange(world.owner, client)
    exchange.begin(head, hasBody, somewhere)
    return { client, exchange }
  }
  return { ...world, streams, left, begin }
}

const get = requestHead("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
const post = requestHead("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
const ok = responseHead("HTTP/1.1 200 OK\r\n\r\n")
const nothing = Buffer.alloc(0)
const isIdle = ({ table }: Stage): boolean => table.isIdle(0) && table.isIdle(1)

/** What the backend says is the whole response. */
function respond(stream: FakeBackendStream, body: string): void {
  const bytes = Buffer.from(body)
  const exchange = stream.exchange!
  exchange.onWholeResponse(ok, bytes, 0, bytes.length)
  exchange.onResponseEnd()
}

test("streams of one connection carry exchanges beside each other, whichever ends first", () => {
  const at = stage()
  const [one, other] = [at.begin(get), at.begin(get)]
  respond(at.streams[1]!, "other")
  respond(at.streams[0]!, "one")
  assert.deepEqual(one.client.told, ["respond 200 one", "end ", "release"])
  assert.deepEqual(other.client.told, ["respond 200 other", "end ", "release"])
  // A stream whose response has ended has been given back: the exchange has nothing more to say there.
  for (const { told } of at.streams) assert.deepEqual(told, ["send GET", "end"])
  assert.ok(isIdle(at))
})

test("a client that resets one of its streams ends that exchange alone", () => {
  const at = stage()
  const [one, other] = [at.begin(get), at.begin(get)]
  one.exchange.onClientGone()
  assert.deepEqual(at.streams[0]!.told, ["send GET", "end", "reset"])
  respond(at.streams[1]!, "other")
  assert.deepEqual(other.client.told.at(-1), "release")
  assert.deepEqual(one.client.told, [])
  assert.deepEqual(
    at.left.map(({ ending }) => ending),
    ["gone", "complete"],
  )
  assert.ok(isIdle(at))
})

test("what a backend has certainly not looked at is sent elsewhere, as behind a GOAWAY, and nothing else is", () => {
  for (const hasTaken of [false, true]) {
    const at = stage()
    const { client, exchange } = at.begin(post, true)
    exchange.onRequestBody(pieces("bo"))
    const [stream] = at.streams
    stream!.hasTaken = hasTaken
    stream!.isReused = false
    exchange.onBackendFailed(stream!, "backend_reset", "")
    exchange.onRequestBody(pieces("dy"))
    if (hasTaken) assert.deepEqual(client.told.at(-2), "refuse backend_reset")
    else {
      exchange.onRequestEnd()
      assert.deepEqual(at.streams[1]!.told, ["send POST and", "write bo", "write dy", "end"])
      respond(at.streams[1]!, "")
    }
    assert.deepEqual(at.left, [
      hasTaken
        ? { ending: "failed", error: "backend_reset", attempts: 1 }
        : { ending: "complete", error: undefined, attempts: 2 },
    ])
    assert.ok(isIdle(at))
  }
})

test("a backend whose window is empty holds its client back, and the other way round", () => {
  const at = stage()
  const { client, exchange } = at.begin(post, true)
  const [stream] = at.streams
  stream!.isBehind = true
  exchange.onRequestBody(pieces("body"))
  assert.deepEqual(client.told, ["resume", "pause"])
  stream!.isBehind = false
  exchange.onBackendDrain()
  exchange.onRequestEnd()
  assert.deepEqual(client.told, ["resume", "pause", "resume"])

  exchange.onResponseHead(ok, pieces("first"))
  client.isBehind = true
  exchange.onResponseBody(pieces("second"))
  assert.ok(stream!.isPaused)
  client.isBehind = false
  exchange.onClientDrain()
  assert.ok(!stream!.isPaused)
  exchange.onResponseEnd()
  assert.deepEqual(client.told.slice(3), ["respond 200 first", "write second", "end ", "release"])
})

test("a whole body is written again only as fast as another stream takes it", () => {
  const at = stage({ limits: { collectedBytesMax: 100_000, replayBytesMax: 100_000 } })
  const long = "x".repeat(20_000)
  const { exchange } = at.begin(
    requestHead("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"),
    true,
  )
  for (let i = 0; i < 3; i++) exchange.onRequestBody(pieces(long))
  assert.deepEqual(at.streams, [])
  const { site } = at.fleet.placer.groups[0]!.eligible[0]!
  const slow = new FakeBackendStream(site)
  slow.isBehind = true
  for (const backend of at.fleet.placer.groups[0]!.eligible) Object.assign(backend.site, { take: () => slow })
  exchange.onRequestEnd()
  assert.equal(slow.told.length, 2)
  exchange.onBackendDrain()
  assert.equal(slow.told.length, 3)
  slow.isBehind = false
  exchange.onBackendDrain()
  assert.deepEqual(slow.told, ["send PUT and", ...Array.from({ length: 3 }, () => `write ${long}`), "end"])
})

test("trailers reach a client that takes no chunks with the end of its response", () => {
  const at = stage()
  const { client, exchange } = at.begin(get)
  exchange.onResponseHead(ok, pieces("body"))
  exchange.onTrailers("grpc-status: 0\r\n")
  exchange.onResponseEnd()
  assert.deepEqual(client.told, ["respond 200 body", "end grpc-status: 0\r\n", "release"])
  exchange.begin(get, false, somewhere)
  respond(at.streams[1]!, "")
  assert.deepEqual(client.told.slice(3), ["respond 200 ", "end ", "release"])
})

test("a tunnel ends when both sides have, each in its time", () => {
  const at = stage()
  const head = requestHead("GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
  const { client, exchange } = at.begin(head)
  assert.ok(exchange.upgrades)
  const [stream] = at.streams
  exchange.onTunnel(responseHead("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), nothing, 0, 0)
  exchange.onClientBytes(Buffer.from("up"))
  exchange.onClientEnd()
  exchange.onBackendBytes(Buffer.from("down"))
  exchange.onBackendEnd()
  assert.deepEqual(stream!.told, ["send GET", "end", "write up", "end of tunnel", "finish"])
  assert.deepEqual(client.told, ["respond 101 ", "tunnel", "through down", "release"])
  assert.deepEqual(at.left, [{ ending: "tunnel", error: undefined, attempts: 1 }])
  assert.ok(isIdle(at))
})

test("a response that cannot be completed is cut for its client, and says why", () => {
  const at = stage()
  const { client, exchange } = at.begin(get)
  exchange.onResponseHead(ok, pieces("half"))
  exchange.onBackendFailed(at.streams[0]!, "response_cut", "")
  assert.deepEqual(client.told, ["respond 200 half", "cut response_cut"])
  assert.ok(isIdle(at))
})

test("the next request may begin within the end of the one before", () => {
  const at = stage()
  const { client, exchange } = at.begin(get)
  client.release = (): void => {
    client.told.push("release")
    if (at.streams.length === 1) exchange.begin(get, false, somewhere)
  }
  respond(at.streams[0]!, "one")
  respond(at.streams[1]!, "two")
  assert.deepEqual(client.told, ["respond 200 one", "end ", "release", "respond 200 two", "end ", "release"])
  assert.equal(at.left.length, 2)
  assert.ok(isIdle(at))
})
