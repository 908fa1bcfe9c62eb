/**
 * The corpora of others: llhttp's own inputs with their verdicts, and smuggler's header mutations sent through a
 * running balancer to an origin that takes everything.
 */
import assert from "node:assert/strict"
import { connect } from "node:net"
import { test } from "node:test"
import { compareRequests, compareResponses, isGood } from "../support/wire/differential.ts"
import { dissenters, models } from "../support/wire/parser-models.ts"
import { answering, relay } from "../support/relay.ts"
import {
  type LlhttpCase,
  llhttpCases,
  type SmugglerCase,
  smugglerCases,
  withoutCorpora,
} from "../support/wire/wire-corpus.ts"
import { readPieces, type Side } from "../support/wire/wire-reader.ts"

/** What llhttp's own tests call an error and we take: by what the error says, each with the reason. */
const taken: readonly (readonly [error: RegExp, id: RegExp, why: string])[] = [
  [
    /^Data after `Connection: close`/,
    /./,
    "the message before is right, and what is behind it we do not read",
  ],
  [/^Pause on (?:CONNECT|PRI)?\/?Upgrade/, /./, "llhttp stops reading HTTP there, which is no refusal"],
  [
    /^Expected space after method/,
    /> Invalid method$/,
    "MKCOLA is a method (RFC 9110 9.1), if an unknown one",
  ],
  [/^Invalid method for HTTP/, /ANNOUNCE method/, "methods are an open set of tokens (RFC 9110 9.1)"],
]

test("what llhttp refuses in its strict mode, we refuse", { skip: withoutCorpora }, (t) => {
  const strict = llhttpCases().filter(({ type }) => type === "request" || type === "response")
  const refusals = strict.filter(({ error }) => error !== null)
  assert.ok(refusals.length > 50)
  const wrong = refusals.flatMap(({ id, type, input, error }) =>
    variants({ type, input })
      .filter((text) => readPieces(type as Side, [Buffer.from(text, "latin1")]).refused === undefined)
      .filter(() => !taken.some(([says, named]) => says.test(error!) && named.test(id)))
      .map((text) => `${id}: ${error}: ${JSON.stringify(text)}`),
  )
  t.diagnostic(`${strict.length} cases, ${refusals.length} of which llhttp refuses`)
  assert.deepEqual(wrong, [])
})

test(
  "of llhttp's inputs, those of its lenient modes too, none is read in another way",
  { skip: withoutCorpora },
  async () => {
    const wrong: string[] = []
    for (const { id, type, input } of llhttpCases()) {
      for (const text of variants({ type, input })) {
        const bytes = Buffer.from(text, "latin1")
        const verdict = type.startsWith("request")
          ? compareRequests(bytes)
          : await compareResponses(bytes, false, type.includes("finish"))
        if (!isGood(verdict)) wrong.push(`${id}: ${verdict.kind}, ${verdict.why}: ${JSON.stringify(text)}`)
      }
    }
    assert.deepEqual(wrong, [])
  },
)

/** Most of llhttp's requests have no Host, which alone would be reason enough to refuse them: each also with one. */
function variants({ type, input }: Pick<LlhttpCase, "type" | "input">): string[] {
  if (!type.startsWith("request") || /^host:/im.test(input)) return [input]
  return [input, input.replace(/\r?\n/, "$&Host: a\r\n")]
}

test("the models see two meanings in bytes that have two", () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\n"
  const plain = `${head}Content-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: a\r\n\r\n`
  const chunks = `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
  for (const text of [plain, chunks]) assert.deepEqual(dissenters(Buffer.from(text)), [], text)
  const body = "0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
  const gadgets = [
    "Transfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: chunked\0x",
    "Transfer_Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding\xa0: chunked",
    "Content-Length: 5",
  ]
  for (const gadget of gadgets) {
    const bytes = Buffer.from(`${head}Content-Length: ${body.length}\r\n${gadget}\r\n\r\n${body}`, "latin1")
    assert.notDeepEqual(dissenters(bytes), [], JSON.stringify(gadget))
  }
})

/** The ways to set a gadget beside the framing that the balancer sees, as smuggler does. */
const placings: readonly (readonly [name: string, place: (gadget: string) => string])[] = [
  ["alone", (gadget) => `${gadget}\r\n\r\n0\r\n\r\n`],
  ["before Content-Length", (gadget) => `${gadget}\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG`],
  ["behind Content-Length", (gadget) => `Content-Length: 4\r\n${gadget}\r\n\r\n1\r\nG\r\n0\r\n\r\n`],
  [
    "before Transfer-Encoding",
    (gadget) => `${gadget}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nG\r\n0\r\n\r\n`,
  ],
  [
    "behind Transfer-Encoding",
    (gadget) => `Transfer-Encoding: chunked\r\n${gadget}\r\n\r\n1\r\nG\r\n0\r\n\r\n`,
  ],
]

const together = 16

test(`no gadget of smuggler's reaches an origin with two meanings`, { skip: withoutCorpora }, async (t) => {
  const origin = await answering(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  const { port } = await relay(t, [origin])
  const probes = smugglerCases().flatMap(({ gadget }: SmugglerCase) =>
    placings.map(([, place]) => `POST / HTTP/1.1\r\nHost: a\r\n${place(gadget)}`),
  )
  const answers = await inTurns(probes, (probe) => exchanged(port, probe))

  const statuses = new Map<string, number>()
  for (const answer of answers) {
    const status = answer.slice(9, 12)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  const forwarded = origin.wires.flatMap(({ bytes }) => models[0]!.read(bytes)).length
  const ambiguous = origin.wires.filter(({ bytes }) => dissenters(bytes).length > 0)
  t.diagnostic(
    `${probes.length} requests: ${JSON.stringify(Object.fromEntries(statuses))}, ${forwarded} forwarded on ` +
      `${origin.wires.length} connections, ${ambiguous.length} of them ambiguous to one of ${models.length} models`,
  )
  assert.deepEqual([...statuses.keys()].sort(), ["200", "400", "501"])
  assert.equal(forwarded, statuses.get("200"))
  assert.deepEqual(
    ambiguous.map(({ bytes, text }) => `${dissenters(bytes).join(", ")}: ${JSON.stringify(text)}`),
    [],
  )
})

/** What the balancer responds to the bytes on a connection of their own. */
function exchanged(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port })
    let answer = ""
    socket.setEncoding("latin1").on("data", (piece: string) => (answer += piece))
    socket.on("close", () => resolve(answer)).on("error", reject)
    socket.end(Buffer.from(text, "latin1"))
  })
}

/** Some at a time, in order. */
async function inTurns<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const rest = items.entries()
  await Promise.all(
    Array.from({ length: together }, async () => {
      for (const [index, item] of rest) results[index] = await run(item)
    }),
  )
  return results
}
