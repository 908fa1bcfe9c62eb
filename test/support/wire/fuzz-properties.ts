/** What must hold for any bytes: what `npm test` tries ten thousand times and `npm run fuzz` as often as it is told. */
import assert from "node:assert/strict"
import fc from "fast-check"
import { dropTable, type LineWriter, requestHeadBytes } from "../../../src/http1/serialize.ts"
import { compareRequests, compareResponses, isGood, isUnknown, type Verdict } from "./differential.ts"
import { dissenters } from "./parser-models.ts"
import { wireBytes } from "./wire-arbitraries.ts"
import { llhttpCases, smugglerCases } from "./wire-corpus.ts"
import { readPieces, type ReadMessage, type Side, type WireReader } from "./wire-reader.ts"

export interface Property {
  /** A claim. */
  readonly name: string
  /** `told` hears every verdict. */
  readonly make: (told: (kind: string) => void) => fc.IAsyncProperty<unknown>
}

export const properties: readonly Property[] = [
  {
    name: "no request is taken that llhttp refuses, and none is read in another way",
    make: (told) =>
      fc.asyncProperty(requests(), async (bytes) => judged(compareRequests(bytes), bytes, told)),
  },
  {
    name: "no response is taken that llhttp refuses, and none is read in another way",
    make: (told) =>
      fc.asyncProperty(responses(), fc.boolean(), fc.boolean(), async (bytes, toHead, ends) =>
        judged(await compareResponses(bytes, toHead, ends), bytes, told),
      ),
  },
  {
    name: "requests mean the same however they are cut",
    make: (told) =>
      fc.asyncProperty(requests(), cuts, async (bytes, at) => sameWhenCut("request", bytes, at, told)),
  },
  {
    name: "responses mean the same however they are cut",
    make: (told) =>
      fc.asyncProperty(responses(), cuts, async (bytes, at) => sameWhenCut("response", bytes, at, told)),
  },
  {
    name: "what is forwarded is what was read, and means the same to every parser model",
    make: (told) => fc.asyncProperty(requests(), async (bytes) => sameWhenForwarded(bytes, told)),
  },
]

const requests = (): fc.Arbitrary<Buffer> => wireBytes("request", seeds("request"))
const responses = (): fc.Arbitrary<Buffer> => wireBytes("response", seeds("response"))
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 })

function seeds(side: Side): string[] {
  const inputs = llhttpCases()
    .filter(({ type }) => type.startsWith(side))
    .map(({ input }) => input)
  if (side === "response") return inputs
  const gadgets = smugglerCases().map(({ gadget }) => gadget)
  return [...inputs, ...gadgets.map((gadget) => `POST / HTTP/1.1\r\nHost: a\r\n${gadget}\r\n\r\n0\r\n\r\n`)]
}

function judged(verdict: Verdict, bytes: Buffer, told: (kind: string) => void): void {
  told(verdict.kind)
  assert.ok(isGood(verdict), `${verdict.kind}, ${verdict.why}: ${shown(bytes)}`)
}

function sameWhenCut(side: Side, bytes: Buffer, at: readonly number[], told: (kind: string) => void): void {
  const places = at.map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b)
  const pieces = [0, ...places].map((place, index) => bytes.subarray(place, places[index] ?? bytes.length))
  const whole = readPieces(side, [bytes])
  told(whole.refused === undefined ? "taken" : "refused")
  assert.deepEqual(outcome(readPieces(side, pieces)), outcome(whole), shown(bytes))
}

function outcome({ messages, refused, done, isInHead }: WireReader): unknown {
  return { messages, refused, done, isInHead }
}

const drops = dropTable([], false)
const via = "Via: 1.1 linebacker\r\n"
const id: LineWriter = {
  bytesMax: 17,
  write: (out, at) => at + out.write("X-Request-Id: 1\r\n", at, "latin1"),
}
const hostDefault = Buffer.from("linebacker")

/** Fields that the balancer writes itself. */
const own = new Set(["host", "via", "x-forwarded-host", "x-request-id", "transfer-encoding"])

function sameWhenForwarded(bytes: Buffer, told: (kind: string) => void): void {
  const reader = readPieces("request", [bytes], {
    write: (head) => requestHeadBytes(head, drops, via, "", id, hostDefault),
  })
  const read = reader.messages.filter(({ state }) => state === "complete")
  told(read.length === 0 ? "nothing forwarded" : "forwarded")
  const again = readPieces("request", [reader.forwarded])
  assert.equal(again.refused, undefined, `${shown(bytes)} goes on as ${shown(reader.forwarded)}`)
  assert.deepEqual(again.messages.map(essence), read.map(essence), shown(bytes))
  // llhttp knows a closed list of methods, and reads nothing behind a request that asks for another protocol.
  if (read.some(({ method, flags }) => isUnknown(method) || flags.includes("upgrade"))) return
  assert.deepEqual(dissenters(reader.forwarded), [], `${shown(bytes)} goes on as ${shown(reader.forwarded)}`)
}

/** What of a request must arrive. */
function essence({ method, target, path, fields, data }: ReadMessage): unknown {
  const kept = fields.filter(({ name, hop }) => !hop && !own.has(name.toLowerCase()))
  // An absolute form takes the place of Host (RFC 9112 3.2.2).
  const authority = /^https?:\/\/([^/?]*)/i.exec(target)?.[1]
  const host =
    authority ?? fields.find(({ name }) => name.toLowerCase() === "host")?.value ?? hostDefault.toString()
  const sent = path === "" || path.startsWith("?") ? `/${path}` : path
  return { method, path: method === "OPTIONS" && path === "" ? "*" : sent, host, fields: kept, data }
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1"))
}
