import assert from "node:assert/strict"
import { connect } from "node:net"
import { test, type TestContext } from "node:test"
import * as z from "zod"
import { jsonObject } from "./body-shape.ts"
import { refuse } from "./api-errors.ts"
import { type Api, call, type Call, reply } from "./call.ts"
import { type ApiListener, type ApiOptions, serveApi } from "./kernel.ts"

/** A kernel with an API of its own, over real sockets. */

interface Services {
  readonly log: string[]
  /** What slow calls wait for. */
  readonly slow: Promise<void>
}

const done = { 200: { description: "It is done.", json: z.object({ said: z.string() }) } }

const say = call({
  name: "say",
  method: "POST",
  path: "/say/{name}",
  right: "write",
  summary: "Says something",
  parameters: { path: { name: z.string() } },
  body: { schema: jsonObject({ word: z.string({ error: "a word" }) }), required: false },
  responses: done,
  errors: ["unknown_backend"],
  handle: async ({ path: { name }, body }, { log, slow }: Services) => {
    if (name === "slow") await slow
    log.push(`${name} ${body?.word}`)
    if (name === "bug") throw new Error("secret")
    return name === "unknown" ? refuse("unknown_backend") : reply(200, { said: `${body?.word}` })
  },
})

const look = call({
  name: "look",
  method: "GET",
  path: "/look",
  right: "read",
  summary: "Looks for something",
  parameters: {
    query: { limit: z.coerce.number({ error: "a number" }).max(9, { error: "at most 9" }).default(3) },
    fields: { "x-word": "A word." },
  },
  responses: done,
  errors: [],
  handle: ({ query, fields }) =>
    reply(200, { said: `${query.limit} ${Object.keys(fields).join()} ${fields["x-word"]}` }),
})

const leave = call({
  name: "leave",
  method: "DELETE",
  path: "/look",
  right: "write",
  summary: "Leaves",
  responses: { 204: { description: "It has left.", headers: { "X-Left": "That it has." } } },
  errors: [],
  handle: () => reply(204, undefined, { "X-Left": "yes" }),
})

const flow = call({
  name: "flow",
  method: "GET",
  path: "/flow",
  right: "read",
  summary: "Flows",
  responses: { 200: { description: "A stream.", events: z.object({}) } },
  errors: [],
  handle: (_input, { log }: Services) =>
    reply(200, (response) => {
      log.push("flow")
      response.write("data: {}\n\n")
      response.end()
    }),
})

const breaking: Call<Services> = {
  ...leave,
  name: "break",
  path: "/break",
  method: "GET",
  handle: () => reply(205),
}

const api: Api<Services> = {
  title: "A test",
  description: "An API of a test.",
  version: "1.0.0",
  access: { setting: "test", guarded: [], withoutToken: "served", pages: "none", neighbours: true },
  headers: { "X-Always": "here" },
  calls: [say, look, leave, flow, breaking],
}

interface World {
  readonly listener: ApiListener
  readonly log: string[]
  readonly bugs: unknown[]
  /** Sends bytes and resolves with all that comes until the other side closes. */
  readonly raw: (bytes: string) => Promise<string>
}

async function started(
  t: TestContext,
  change: Partial<ApiOptions> & { slow?: Promise<void> } = {},
): Promise<World> {
  const log: string[] = []
  const bugs: unknown[] = []
  const limits = {
    bodyBytesMax: 100,
    bodiesBytesMax: 1_000,
    headBytesMax: 4_096,
    requestMs: 60_000,
    connectionsMax: 10,
  }
  const services = { log, slow: change.slow ?? Promise.resolve() }
  const place = { host: "127.0.0.1", port: 0 }
  const listener = await serveApi(api, services, {
    ...place,
    limits,
    onBug: (bug) => bugs.push(bug),
    ...change,
  })
  t.after(() => listener.close())
  const raw = (bytes: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = ""
      const socket = connect(listener.address.port, "127.0.0.1", () => socket.write(bytes))
      socket.setEncoding("latin1").on("data", (more: string) => (text += more))
      socket.on("error", reject).on("close", () => resolve(text))
    })
  return { listener, log, bugs, raw }
}

function head(line: string, ...fields: readonly string[]): string {
  return `${[`${line} HTTP/1.1`, "Host: here", ...fields].join("\r\n")}\r\n\r\n`
}

function post(name: string, body: string, ...fields: readonly string[]): string {
  const length = `Content-Length: ${body.length}`
  return head(`POST /say/${name}`, "Content-Type: application/json", length, ...fields) + body
}

const last = "Connection: close"

test("a reply is sent as it is promised, with the fields of the API, and a refusal with its code", async (t) => {
  const { raw } = await started(t)
  const said = await raw(post("a", '{"word":"yes"}', last))
  assert.match(said, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(said, /\r\nX-Always: here\r\n/)
  assert.match(said, /\r\nContent-Length: 14\r\n[^]*\r\n\r\n\{"said":"yes"\}$/)
  assert.match(await raw(post("unknown", "{}", last)), /^HTTP\/1\.1 400 [^]*"path":"word"\}\}$/)
  assert.match(
    await raw(post("unknown", "", last)),
    /^HTTP\/1\.1 404 [^]*\{"error":\{"code":"unknown_backend","message":/,
  )
  const left = await raw(head("DELETE /look", last))
  assert.match(left, /^HTTP\/1\.1 204 No Content\r\n[^]*\r\nX-Left: yes\r\n/)
  assert.doesNotMatch(left, /content-(length|type)/i)
})

test("a body that is not required may be missing or null; one that is there has its shape", async (t) => {
  const { raw, log } = await started(t)
  for (const body of ["", "null", '{"word":"a"}']) {
    assert.match(await raw(post("a", body, last)), /^HTTP\/1\.1 200 /, body)
  }
  assert.match(await raw(post("a", '{"wrd":"a"}', last)), /did you mean \\"word\\"/)
  assert.deepEqual(log, ["a undefined", "a undefined", "a a"])
})

test("a query is read by its schemas, and only the fields that a call names reach it", async (t) => {
  const { raw } = await started(t)
  const said = async (target: string): Promise<string> =>
    (await raw(head(`GET ${target}`, "X-Word: w", "X-Other: o", last))).split("\r\n\r\n")[1]!
  assert.equal(await said("/look"), '{"said":"3 x-word w"}')
  assert.equal(await said("/look?limit=7&more=1"), '{"said":"7 x-word w"}')
  assert.equal(await said("http://here:80/look?limit=%35"), '{"said":"5 x-word w"}')
  for (const [query, expected] of [
    ["limit=10", "at most 9"],
    ["limit=x", "a number"],
  ]) {
    const error = { code: "invalid_parameter", message: `limit: expected ${expected}`, path: "limit" }
    assert.deepEqual(JSON.parse(await said(`/look?${query}`)), { error })
  }
})

test("a bug is an internal error, told once, and says nothing of itself", async (t) => {
  const { raw, bugs, log } = await started(t)
  const refused = await raw(post("bug", "", last))
  assert.match(refused, /^HTTP\/1\.1 500 [^]*"internal_error"/)
  assert.doesNotMatch(refused, /secret/)
  // A reply that is not promised is a bug too.
  assert.match(await raw(head("GET /break", last)), /^HTTP\/1\.1 500 /)
  assert.equal(bugs.length, 2)
  assert.deepEqual(log, ["bug undefined"])
})

test("after a call that may have changed something it is told so, and what that throws is a bug of the call", async (t) => {
  let written = 0
  const onWritten = (): void => {
    if (++written === 2) throw new Error("broken")
  }
  const { raw, bugs } = await started(t, { onWritten })
  await raw(head("GET /look", last))
  await raw(head("PUT /look", last))
  await raw(post("a", "{", last))
  assert.equal(written, 0)
  await raw(post("a", "", last))
  assert.equal(written, 1)
  assert.match(await raw(post("a", "", last)), /^HTTP\/1\.1 500 /)
  assert.equal(bugs.length, 1)
})

test("requests of one connection take effect one after the other, whatever comes of each", async (t) => {
  const { promise: slow, resolve } = Promise.withResolvers<void>()
  const { raw, log } = await started(t, { slow })
  const all = raw(
    post("slow", '{"word":"1"}') + post("bug", '{"word":"2"}') + post("c", '{"word":"3"}', last),
  )
  assert.match(await raw(post("other", "", last)), /^HTTP\/1\.1 200 /)
  resolve()
  assert.deepEqual(
    Array.from((await all).matchAll(/HTTP\/1\.1 (\d+)/g), ([, status]) => status),
    ["200", "500", "200"],
  )
  assert.deepEqual(log, ["other undefined", "slow 1", "bug 2", "c 3"])
})

test("a body that is not for the call is passed over when it is small, and ends the connection when it is large", async (t) => {
  const { raw } = await started(t)
  const small = "Content-Length: 2"
  for (const line of ["GET /look", "PUT /look", "GET /nothing"]) {
    const both = await raw(`${head(line, small)}{}${head("GET /look", last)}`)
    assert.equal(both.split("HTTP/1.1 ").length, 3, line)
  }
  const large = await raw(`${head("GET /look", "Content-Length: 101")}${"x".repeat(101)}${head("GET /look")}`)
  assert.equal(large.split("HTTP/1.1 ").length, 2)
  assert.match(large, /\r\nConnection: close\r\n/)
})

test("a stream ends its connection, and HEAD does not begin it", async (t) => {
  const { raw, log } = await started(t)
  const begun = await raw(head("HEAD /flow", last))
  assert.match(begun, /^HTTP\/1\.1 200 OK\r\n[^]*\r\nContent-Type: text\/event-stream; charset=utf-8\r\n/)
  assert.deepEqual(log, [])
  assert.match(await raw(head("GET /flow")), /\r\nConnection: close\r\n[^]*data: \{\}\n\n/)
  assert.deepEqual(log, ["flow"])
})

test("HEAD says what GET would, without the body", async (t) => {
  const { raw } = await started(t)
  const [got, asked] = [await raw(head("GET /look", last)), await raw(head("HEAD /look", last))].map((text) =>
    text.replace(/Date: .*\r\n/, "").split("\r\n\r\n"),
  )
  assert.equal(asked![0], got![0])
  assert.deepEqual([asked![1], got![1]], ["", '{"said":"3 x-word undefined"}'])
})
