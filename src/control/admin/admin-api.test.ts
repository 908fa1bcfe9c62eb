import assert from "node:assert/strict"
import { once } from "node:events"
import { type IncomingHttpHeaders, request } from "node:http"
import { connect, type Socket } from "node:net"
import { after, test, type TestContext } from "node:test"
import { setTimeout as delay } from "node:timers/promises"
import { fail, ok, type Result } from "../../core/result.ts"
import { ApiDocument } from "../../../test/support/api-document.ts"
import { backendView, stateView } from "../../../test/support/state-views.ts"
import type { Timers } from "../../system.ts"
import { type ApiErrorCode, apiErrors } from "../api/api-errors.ts"
import type { ApiListener } from "../api/kernel.ts"
import { defaults } from "../../../test/support/settings.ts"
import { openApiOf } from "../api/openapi.ts"
import { type AdminOptions, startAdmin } from "./admin-api.ts"
import { adminApi } from "./admin-calls.ts"
import { loadPageAssets } from "./page-assets.ts"
import { fileReply } from "./page-files.ts"
import type { PolicyChangeError } from "../policy-desk.ts"
import type { CurrentPolicy, PolicyChange, PolicyView } from "../policy-view.ts"
import type { BackendView, StateView } from "../state-view.ts"

/** The admin listener over real sockets, with states from a script and time that only passes when told to. */

const alpha = backendView("alpha")

/** Every response of this file is held against it. */
const document = new ApiDocument(openApiOf(adminApi))

function stateOf(backends: readonly BackendView[], version = "1.2.3"): StateView {
  return stateView(backends, { version })
}

/** Timers that go off when told to. */
class Hand implements Timers {
  readonly #wishes = new Set<{ readonly ms: number; readonly fn: () => void }>()

  set(ms: number, fn: () => void): () => void {
    const wish = { ms, fn }
    this.#wishes.add(wish)
    return () => this.#wishes.delete(wish)
  }

  get waiting(): number {
    return this.#wishes.size
  }

  /** Everything that is waited for now happens, once. */
  pass(): void {
    const due = [...this.#wishes]
    this.#wishes.clear()
    for (const { fn } of due) fn()
  }
}

const refusing = () => fail({ path: "name", message: "nothing can be changed here" })

const price: PolicyView = {
  name: "price",
  summary: "Least price wins.",
  seesDemand: true,
  sticks: false,
  isReplica: false,
  parameters: {},
  unsuitable: undefined,
}

async function started(
  t: TestContext,
  change: Partial<AdminOptions> = {},
): Promise<ApiListener & { hand: Hand }> {
  const hand = new Hand()
  const admin = await startAdmin({
    host: "127.0.0.1",
    port: 0,
    allow: defaults.admin.allow,
    state: () => stateOf([alpha]),
    policies: [price],
    changePolicy: refusing,
    unready: () => undefined,
    timers: hand,
    ...change,
  })
  t.after(() => admin.close())
  return { ...admin, hand }
}

interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(
  { address }: ApiListener,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
  sent = "",
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...address, path, method, headers, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (text: string) => (body += text))
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response
        const shown = method === "HEAD" ? undefined : body
        document.check(method, path, { status, type: headers["content-type"], body: shown })
        resolve({ status, headers, body })
      })
      response.on("error", reject)
    })
    asked.on("error", reject)
    asked.end(sent)
  })
}

function refused(received: Received, code: ApiErrorCode): void {
  const parsed = JSON.parse(received.body) as { error: { code: string; message: string } }
  assert.equal(parsed.error.code, code)
  assert.equal(received.status, apiErrors[code].status)
  assert.notEqual(parsed.error.message, "")
}

/** A reader of the event stream, on a socket of its own. */
class Reader {
  readonly socket: Socket
  text = ""

  constructor({ address }: ApiListener) {
    this.socket = connect(address.port, address.host)
    this.socket.setEncoding("utf8")
    this.socket.on("data", (text: string) => (this.text += text))
    this.socket.on("error", () => {})
    this.socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: ${address.host}:${address.port}\r\n\r\n`)
  }

  get states(): number {
    return this.text.split("event: state\n").length - 1
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) {
      assert.ok(!this.socket.closed, `the stream ended with ${JSON.stringify(this.text)}`)
      await Promise.race([once(this.socket, "data"), once(this.socket, "close")])
    }
  }
}

after(() => {
  const seen = [...document.seen].flatMap((seen) => seen.split(" ")[2] ?? [])
  // The tests below that send bytes provoke these.
  const provoked = new Set([...seen, "malformed_request", "head_too_large", "request_timeout"])
  assert.deepEqual([...provoked].sort(), document.codes)
})

test("the state, its backends and the policies are read as JSON that no cache keeps", async (t) => {
  const admin = await started(t)

  const state = await ask(admin, "/api/v1/state")
  assert.equal(state.status, 200)
  assert.equal(state.headers["content-type"], "application/json")
  assert.equal(state.headers["cache-control"], "no-store")
  const expected = JSON.parse(JSON.stringify(stateOf([alpha]))) as { backends: unknown[] }
  assert.deepEqual(JSON.parse(state.body), expected)
  assert.deepEqual(JSON.parse((await ask(admin, "/api/v1/backends")).body), { backends: expected.backends })
  assert.deepEqual(JSON.parse((await ask(admin, "/api/v1/backends/alpha")).body), expected.backends[0])
  assert.deepEqual(JSON.parse((await ask(admin, "/api/v1/policies")).body), {
    current: "price",
    inUse: [{ pool: "", name: "price", parameters: {} }],
    // What is undefined is not there.
    policies: [JSON.parse(JSON.stringify(price))],
  })
})

test("a backend is found by its id as written in the path, and an unknown one is a 404", async (t) => {
  const odd = { ...alpha, id: "a:b.c" }
  const admin = await started(t, { state: () => stateOf([odd]) })

  assert.equal((await ask(admin, "/api/v1/backends/a:b.c")).status, 200)
  assert.equal((await ask(admin, "/api/v1/backends/a%3Ab.c")).status, 200)
  refused(await ask(admin, "/api/v1/backends/alpha"), "unknown_backend")
})

test("alive is always ok; ready is ok or says what is missing", async (t) => {
  let reason: string | undefined = "No backend has announced itself."
  const admin = await started(t, { unready: () => reason })

  assert.equal((await ask(admin, "/healthz")).status, 200)
  const none = await ask(admin, "/readyz")
  refused(none, "not_ready")
  assert.match(none.body, /No backend has announced itself/)
  reason = undefined
  assert.equal((await ask(admin, "/readyz")).status, 200)
})

test("everything has a response to HEAD, without a body and without opening a stream", async (t) => {
  const admin = await started(t, { limits: { streamsMax: 1 } })

  for (const path of ["/", "/page.css", "/api/v1/state", "/api/v1/events", "/healthz"]) {
    const received = await ask(admin, path, {}, "HEAD")
    assert.equal(received.status, 200, path)
    assert.equal(received.body, "")
  }
  assert.equal(admin.hand.waiting, 0)
})

test("other methods are refused with those that are allowed, unknown paths with 404", async (t) => {
  const admin = await started(t)

  for (const path of ["/", "/api/v1/state", "/api/v1/backends/alpha", "/api/v1/events", "/healthz"]) {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const received = await ask(admin, path, {}, method)
      refused(received, "method_not_allowed")
      assert.equal(received.headers.allow, "GET, HEAD")
    }
  }
  for (const path of ["/nothing", "/page.ts", "/../package.json", "/%2e%2e/package.json", "/api/v1"]) {
    refused(await ask(admin, path), "not_found")
  }
})

test("the page and all it loads come with their types, strong tags and a closed policy", async (t) => {
  const admin = await started(t)
  const types = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/words.ts": "text/javascript; charset=utf-8",
  }

  for (const [path, type] of Object.entries(types)) {
    const received = await ask(admin, path)
    assert.equal(received.status, 200, path)
    assert.equal(received.headers["content-type"], type)
    assert.equal(received.headers["x-content-type-options"], "nosniff")
    assert.match(
      String(received.headers["content-security-policy"]),
      /^default-src 'none'; script-src 'self'; /,
    )
    const etag = String(received.headers.etag)
    assert.match(etag, /^"[\w-]{22}"$/)
    const again = await ask(admin, path, { "If-None-Match": `"other", W/${etag}` })
    assert.deepEqual([again.status, again.body, again.headers.etag], [304, "", etag])
    assert.equal((await ask(admin, path, { "If-None-Match": '"other"' })).status, 200)
  }
})

test("scripts reach the browser without types, and every import of theirs is served", async () => {
  const assets = await loadPageAssets()
  const scripts = [...assets].filter(([, { type }]) => type.startsWith("text/javascript"))

  assert.ok(scripts.length >= 5)
  for (const [path, { bytes }] of scripts) {
    const source = Buffer.from(bytes).toString()
    assert.doesNotMatch(source, /import type|: string\b|\breadonly\b \w+:/, path)
    for (const [, specifier = ""] of source.matchAll(/^} from "(.+)"$|^import .* from "(.+)"$/gm)) {
      if (specifier !== "") assert.ok(assets.has(new URL(specifier, "http://page/").pathname), specifier)
    }
  }
})

test("an entity tag matches itself, its weak form and the asterisk", () => {
  const asset = { type: "text/css", bytes: Uint8Array.of(1), etag: '"a"' }
  const status = (tags: string | undefined) => fileReply(asset, { "if-none-match": tags }).value.status
  for (const tags of [undefined, '"b"']) assert.equal(status(tags), 200, tags)
  for (const tags of ['"a"', '"b", "a"', 'W/"a"', "*"]) assert.equal(status(tags), 304, tags)
})

test("only peers in the allowed ranges get a response", async (t) => {
  refused(await ask(await started(t, { allow: ["10.0.0.0/8", "::1"] }), "/api/v1/state"), "peer_not_allowed")
  assert.equal((await ask(await started(t, { allow: ["127.0.0.1"] }), "/healthz")).status, 200)
  assert.equal((await ask(await started(t, { allow: ["0.0.0.0/0"] }), "/healthz")).status, 200)
})

test("what is no range is refused before the port opens", async () => {
  for (const range of ["localhost", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/8x", ""]) {
    const options = { host: "127.0.0.1", port: 0, policies: [], unready: () => undefined, timers: new Hand() }
    await assert.rejects(
      startAdmin({ ...options, changePolicy: refusing, state: () => stateOf([]), allow: [range] }),
      /is not an IP address or a CIDR range/,
      range,
    )
  }
})

test("a name that a page made point here is refused; addresses, localhost and own names are not", async (t) => {
  const admin = await started(t, { hosts: ["Balancer.Example"] })
  const { port } = admin.address

  for (const host of [
    "evil.example",
    `evil.example:${port}`,
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "[]",
  ]) {
    const received = await ask(admin, "/api/v1/state", { Host: host })
    assert.ok([400, 403].includes(received.status), `${host}: ${received.status}`)
    assert.ok(!received.body.includes("alpha"))
  }
  refused(await ask(admin, "/api/v1/state", { Host: "evil.example" }), "foreign_host")
  for (const host of [
    "127.0.0.1",
    `127.0.0.1:${port}`,
    `localhost:${port}`,
    "[::1]:80",
    "balancer.example",
    "BALANCER.example:1",
    "balancer.example.",
    "localhost.:80",
  ]) {
    assert.equal((await ask(admin, "/api/v1/state", { Host: host })).status, 200, host)
  }
})

test("pages of other origins are refused, links from them are not", async (t) => {
  const admin = await started(t)
  const host = `127.0.0.1:${admin.address.port}`

  for (const origin of ["http://evil.example", "null", "http://127.0.0.1:1", `http://${host}.evil.example`]) {
    refused(await ask(admin, "/api/v1/state", { Origin: origin }), "foreign_origin")
  }
  const sites = { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" }
  refused(await ask(admin, "/api/v1/events", sites), "foreign_origin")
  refused(await ask(admin, "/api/v1/state", { ...sites, "Sec-Fetch-Site": "same-site" }), "foreign_origin")
  assert.equal((await ask(admin, "/", { ...sites, "Sec-Fetch-Mode": "navigate" })).status, 200)
  assert.equal((await ask(admin, "/api/v1/state", { Origin: `http://${host}` })).status, 200)
})

test("a stream begins with the state, and no state is computed without a listener", async (t) => {
  let computed = 0
  const admin = await started(t, { state: () => stateOf([], String(++computed)) })
  assert.equal(admin.hand.waiting, 0)

  const reader = new Reader(admin)
  await reader.until(/data: .*"version":"1".*\n\n/)
  const [, type = "", data = ""] =
    /^HTTP\/1\.1 200 OK\r\n[^]*content-type: (.*)\r\n[^]*\ndata: (.*)\n\n/i.exec(reader.text) ?? []
  document.checkEvent("/api/v1/events", type, data)
  admin.hand.pass()
  await reader.until(/"version":"2"/)

  reader.socket.destroy()
  while (admin.hand.waiting > 0) await delay(1)
  assert.equal(computed, 2)
})

test("one state per tick serves all listeners", async (t) => {
  let computed = 0
  const admin = await started(t, { state: () => stateOf([], String(++computed)) })
  const readers = [new Reader(admin), new Reader(admin), new Reader(admin)]
  for (const reader of readers) await reader.until(/"version":"1"/)
  assert.equal(computed, 1)

  for (let tick = 0; tick < 3; tick++) admin.hand.pass()
  for (const reader of readers) await reader.until(/"version":"4"/)
  assert.equal(computed, 4)
  for (const reader of readers) reader.socket.destroy()
})

test("comments go along now and then", async (t) => {
  const admin = await started(t)
  const reader = new Reader(admin)
  await reader.until(/event: state/)
  for (let tick = 1; tick <= 60; tick++) {
    admin.hand.pass()
    while (reader.states < tick + 1) await once(reader.socket, "data")
  }

  assert.equal(reader.text.split("\n: linebacker\n").length - 1, 3)
  reader.socket.destroy()
})

test("neither silent connections nor streams keep health probes away, however many there are", async (t) => {
  const silent: Socket[] = []
  t.after(() => silent.forEach((socket) => socket.destroy()))
  const admin = await started(t, { limits: { connectionsMax: 4, streamsMax: 64 } })
  const streams = [new Reader(admin), new Reader(admin)]
  for (const stream of streams) await stream.until(/event: state/)
  refused(await ask(admin, "/api/v1/events"), "too_many_streams")
  for (let i = 0; i < 300; i++) silent.push(connect(admin.address.port, admin.address.host))
  await Promise.all(
    silent.map((socket) =>
      once(
        socket.on("error", () => {}),
        "connect",
      ),
    ),
  )
  assert.equal((await ask(admin, "/healthz")).status, 200)
  assert.ok(streams.every(({ socket }) => !socket.destroyed))
})

test("the number of streams has a limit, and a place becomes free again", async (t) => {
  const admin = await started(t, { limits: { streamsMax: 2 } })
  const first = new Reader(admin)
  const second = new Reader(admin)
  for (const reader of [first, second]) await reader.until(/event: state/)
  refused(await ask(admin, "/api/v1/events"), "too_many_streams")

  first.socket.destroy()
  const third = new Reader(admin)
  let opened = third
  await third.until(/HTTP\/1\.1/)
  while (opened.text.startsWith("HTTP/1.1 503")) {
    opened = new Reader(admin)
    await opened.until(/HTTP\/1\.1/)
  }
  for (const reader of [second, third, opened]) reader.socket.destroy()
})

test("a reader that does not read is ended, and the others never wait for it", async (t) => {
  const large = { ...alpha, reason: "r".repeat(8 * 1024 * 1024) }
  let backends: readonly BackendView[] = [large]
  const admin = await started(t, { state: () => stateOf(backends), limits: { statesMissedMax: 3 } })
  const slow = new Reader(admin)
  await slow.until(/event: state/)
  slow.socket.pause()

  backends = [alpha]
  admin.hand.pass()
  const quick = new Reader(admin)
  await quick.until(/event: state\ndata: .*\n\n/)
  const before = quick.states
  admin.hand.pass()
  admin.hand.pass()
  while (quick.states < before + 2) await once(quick.socket, "data")
  slow.socket.resume()
  await once(slow.socket, "close")
  assert.equal(slow.states, 1)
  quick.socket.destroy()
})

test("close ends streams at once and frees the port", { timeout: 120_000 }, async (t) => {
  const admin = await started(t)
  const reader = new Reader(admin)
  await reader.until(/event: state/)
  const kept = connect(admin.address.port, admin.address.host)
  await once(kept, "connect")

  const closing = admin.close()
  await once(reader.socket, "close")
  // A connection that never asked for anything is only cut off after a while.
  admin.hand.pass()
  await closing
  kept.destroy()
  await assert.rejects(ask(admin, "/healthz"), { code: "ECONNREFUSED" })
})

test("closing it twice, at once or later, is closing it once", async (t) => {
  const admin = await started(t)
  await Promise.all([admin.close(), admin.close()])
  await admin.close()
})

test("bytes that are no request, and heads without end, get a response", async (t) => {
  const admin = await started(t, { limits: { headBytesMax: 1_024 } })
  const cases: readonly (readonly [bytes: string, code: ApiErrorCode])[] = [
    ["NONSENSE\r\n\r\n", "malformed_request"],
    [`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"x".repeat(4_096)}\r\n\r\n`, "head_too_large"],
    ["GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", "malformed_request"],
  ]
  for (const [bytes, code] of cases) {
    const socket = connect(admin.address.port, admin.address.host)
    let text = ""
    socket.setEncoding("utf8").on("data", (more: string) => (text += more))
    socket.write(bytes)
    await once(socket, "close")
    assert.match(text, new RegExp(`^HTTP/1.1 ${apiErrors[code].status} `), bytes.slice(0, 20))
    assert.ok(text.includes(`"code":"${code}"`), text)
  }
})

test("a bug behind the state is an internal error for the peer and is told to us", async (t) => {
  const bugs: unknown[] = []
  const bug = new Error("secret")
  const admin = await started(t, {
    state: () => {
      throw bug
    },
    onBug: (error) => bugs.push(error),
  })

  const received = await ask(admin, "/api/v1/state")
  refused(received, "internal_error")
  assert.ok(!received.body.includes("secret"))
  refused(await ask(admin, "/api/v1/events"), "internal_error")
  assert.deepEqual(bugs, [bug, bug])
})

test("a request that does not arrive whole gets a response and is ended", { timeout: 120_000 }, async (t) => {
  const admin = await started(t, { limits: { requestMs: 50 } })
  const socket = connect(admin.address.port, admin.address.host)
  let text = ""
  socket.setEncoding("utf8").on("data", (more: string) => (text += more))
  socket.write("GET / HTTP/1.1\r\n")
  await once(socket, "close")
  assert.match(text, /"code":"request_timeout"/)
})

test(
  "a body that passes its limit is refused in the middle, and its connection ended",
  { timeout: 120_000 },
  async (t) => {
    const admin = await started(t, { token: "a-token" })
    const socket = connect(admin.address.port, admin.address.host)
    let text = ""
    socket.setEncoding("utf8").on("data", (more: string) => (text += more))
    const fields =
      "Authorization: Bearer a-token\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    socket.write(`POST /api/v1/policy HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n\r\n`)
    for (let i = 0; i < 12; i++) socket.write(`4000\r\n${"x".repeat(0x4000)}\r\n`)
    await once(socket, "close")
    assert.match(text, /^HTTP\/1\.1 413 /)
    assert.match(text, /"code":"body_too_large"/)
  },
)

test("the policy is changed with the token as a Bearer, and not without it", async (t) => {
  const changes: PolicyChange[] = []
  const changePolicy = (change: PolicyChange): Result<CurrentPolicy, PolicyChangeError> => {
    changes.push(change)
    return change.name === "random"
      ? ok({ pool: "", name: "random", parameters: {} })
      : fail({ path: "name", message: `there is no policy "${change.name}"` })
  }
  const admin = await started(t, { changePolicy, token: "a-token" })
  const path = "/api/v1/policy"
  const json = { "Content-Type": "application/json" }
  const bearer = { ...json, Authorization: "Bearer a-token" }
  const post = (headers: Readonly<Record<string, string>>, body: string): Promise<Received> =>
    ask(admin, path, headers, "POST", body)

  const changed = await post(bearer, '{"name":"random","parameters":{"x":1},"pool":"p"}')
  assert.equal(changed.status, 200)
  assert.deepEqual(JSON.parse(changed.body), { pool: "", name: "random", parameters: {} })
  assert.deepEqual(changes, [{ name: "random", parameters: { x: 1 }, pool: "p" }])

  const unauthorized = await post(json, '{"name":"random"}')
  refused(unauthorized, "unauthorized")
  assert.equal(unauthorized.headers["www-authenticate"], "Bearer")
  for (const authorization of ["Bearer another", "Bearer a-token2", "Basic a-token", "Bearer "]) {
    refused(await post({ ...json, Authorization: authorization }, '{"name":"random"}'), "unauthorized")
  }
  // The token in a page of another origin is of no use there.
  refused(await post({ ...bearer, Origin: "http://evil.example" }, '{"name":"random"}'), "foreign_origin")
  refused(await post({ ...bearer, "Sec-Fetch-Site": "cross-site" }, '{"name":"random"}'), "foreign_origin")
  refused(
    await post({ ...bearer, "Content-Type": "text/plain" }, '{"name":"random"}'),
    "unsupported_media_type",
  )
  refused(await post(bearer, '{"name":'), "invalid_json")
  refused(await post(bearer, `{"name":"${"x".repeat(70_000)}"}`), "body_too_large")
  refused(
    await post({ ...bearer, "Transfer-Encoding": "chunked" }, `"${"x".repeat(70_000)}"`),
    "body_too_large",
  )
  for (const [body, at] of [
    ["[]", ""],
    ["{}", "name"],
    ['{"name":5}', "name"],
    ['{"name":"random","colour":1}', "colour"],
    ['{"name":"unknown"}', "name"],
  ] as const) {
    const received = await post(bearer, body)
    refused(received, "invalid_body")
    assert.equal((JSON.parse(received.body) as { error: { path: string } }).error.path, at, body)
  }
  for (const parameter of [
    `${"[".repeat(30_000)}${"]".repeat(30_000)}`,
    `${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}`,
  ]) {
    refused(await post(bearer, `{"name":"random","parameters":{"x":${parameter}}}`), "invalid_body")
  }
  assert.equal(changes.length, 2)
  const got = await ask(admin, path)
  refused(got, "method_not_allowed")
  assert.equal(got.headers.allow, "POST")
})

test("without a token in the configuration nothing can be changed", async (t) => {
  const admin = await started(t)
  const headers = { "Content-Type": "application/json", Authorization: "Bearer undefined" }
  refused(await ask(admin, "/api/v1/policy", headers, "POST", '{"name":"random"}'), "no_token")
})
