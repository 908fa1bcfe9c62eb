import assert from "node:assert/strict"
import { createConnection, type Socket } from "node:net"
import { Agent, request as httpRequest } from "node:http"
import { after, test, type TestContext } from "node:test"
import { apiErrors } from "../api/api-errors.ts"
import type { ApiListener } from "../api/kernel.ts"
import { openApiOf } from "../api/openapi.ts"
import { Registry, type RegistryOptions } from "../../membership/registry.ts"
import type { Member } from "../../membership/snapshot.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { startRegistration, type RegistrationOptions } from "./registration-api.ts"
import { registrationApi } from "./registration-calls.ts"
import { ApiDocument } from "../../../test/support/api-document.ts"
import { until } from "../../../test/support/until.ts"

test("the response to an announcement is the lease, 201 when it is new and 200 when it renews", async (t) => {
  const { put } = await started(t)
  const lease = { id: "a", generation: 100, ttlMs: 10_000, renewMs: 2_000, state: "probing" }
  assert.deepEqual(await put("a", { ...announcement, incarnation: 1 }), { status: 201, body: lease })
  assert.deepEqual(await put("a", { ...announcement, incarnation: 1 }), { status: 200, body: lease })
})

test("all that a backend says of itself arrives, and the list shows it", async (t) => {
  const { put, call, registry } = await started(t)
  const said = { weight: 2.5, zone: "eu-1", version: "1.2", labels: { tier: "gold" }, incarnation: 7 }
  await put("a", { ...announcement, ...said, scheme: "http", ttlMs: 60_000 })
  const { body } = await call("GET", "/v1/backends")
  const [listed] = (body as { backends: Record<string, unknown>[] }).backends
  assert.deepEqual(listed, {
    id: "a",
    generation: 100,
    address: "127.0.0.1:8080",
    scheme: "http",
    state: "probing",
    reason: registry.snapshot.members[0]!.reason,
    capacity: announcement.capacity,
    ...said,
    lease: { keptBy: "renewals", expiresInMs: 60_000 },
  })
})

test("a member renews with a report, drains and leaves", async (t) => {
  const { put, call, registry } = await started(t)
  await put("a", announcement)
  const report = { generation: 100, utilization: { compute: 0.4 }, capacity: { storage: 9 }, inFlight: 3 }
  const renewed = await call("POST", "/v1/backends/a/renew", report)
  assert.deepEqual(renewed, {
    status: 200,
    body: { id: "a", generation: 100, ttlMs: 10_000, renewMs: 2_000, state: "probing" },
  })
  assert.deepEqual(memberOf(registry, "a").capacity, { compute: 20, storage: 9 })
  assert.equal((await call("POST", "/v1/backends/a/renew")).status, 200)

  const drained = await call("POST", "/v1/backends/a/drain")
  assert.deepEqual([drained.status, (drained.body as { state: string }).state], [200, "draining"])
  assert.deepEqual(await call("DELETE", "/v1/backends/a", { generation: 100 }), {
    status: 204,
    body: undefined,
  })
  assert.equal(errorOf(await call("POST", "/v1/backends/a/renew")).code, "unknown_backend")
})

test("a bug in what follows the membership is reported, and does not stop the listener", async (t) => {
  const bugs: unknown[] = []
  let isBroken = true
  const onChange = (): void => {
    if (isBroken) throw new Error("broken")
  }
  const { put, call } = await started(t, { onChange, onBug: (error) => bugs.push(error) })
  assert.equal(errorOf(await put("a", announcement)).code, "internal_error")
  assert.match(String(bugs[0]), /broken/)
  isBroken = false
  assert.equal((await put("a", announcement)).status, 200)
  assert.equal((await call("GET", "/v1/backends")).status, 200)
  assert.equal(bugs.length, 1)
})

test("closing it twice, at once or later, is closing it once", async (t) => {
  const { listener } = await started(t)
  await Promise.all([listener.close(), listener.close()])
  await listener.close()
})

test("every follower of the membership is told of every change", async (t) => {
  let changes = 0
  const { put, call } = await started(t, { onChange: () => changes++ })
  await put("a", announcement)
  assert.ok(changes > 0)
  changes = 0
  await call("DELETE", "/v1/backends/a")
  assert.ok(changes > 0)
})

test("ids may hold colons, and what is no id is refused", async (t) => {
  const { put } = await started(t)
  assert.equal((await put("seed-::1", announcement)).status, 201)
  assert.equal((await put("a%2Eb", announcement)).status, 201)
  for (const id of ["a%2Fb", "a%20b", "%zz", "%", "x".repeat(129), "%00"]) {
    assert.equal(errorOf(await put(id, announcement)).code, "invalid_id", id)
  }
})

test("the seed's announcement is taken with every method, also GET with a body", async (t) => {
  const { registry, listener } = await started(t)
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const body = '{"Compute-Vector": 20, "Storage-Vector": 13}'
    const received = await raw(
      listener,
      `${method} / HTTP/1.1\r\nHost: load-balancer:9797\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    )
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n/, method)
    assert.match(received, /\r\ncontent-type: text\/plain/i)
    assert.match(received, /\r\n\r\nServer accepted\n$/)
  }
  const { id, address, capacity, keptBy } = registry.snapshot.members[0]!
  assert.equal(registry.snapshot.members.length, 1)
  assert.deepEqual(
    { id, address, capacity, keptBy },
    {
      id: "seed-127.0.0.1",
      address: { host: "127.0.0.1", port: 80 },
      capacity: { compute: 20, storage: 13 },
      keptBy: "ping-acks",
    },
  )
})

test("the seed's announcement may be sent in chunks and in pieces", async (t) => {
  const { listener } = await started(t)
  const received = await raw(
    listener,
    "GET / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n",
    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n14\r\n",
    '{"Compute-Vector": 2',
    '\r\n18\r\n0, "Storage-Vector": 13}\r\n0\r\n\r\n',
  )
  assert.match(received, /Server accepted\n/)
})

test("backends of the seed are told apart by their addresses", async (t) => {
  const { call, registry } = await started(t, { registry: { legacyPort: 8_000 } })
  for (const localAddress of ["127.0.0.1", "127.0.0.2", "127.0.0.2"]) {
    const received = await call("POST", "/", { "Compute-Vector": 20, "Storage-Vector": 13 }, { localAddress })
    assert.deepEqual(received, { status: 200, body: "Server accepted\n" })
  }
  assert.deepEqual(
    registry.snapshot.members.map(({ address }) => address),
    [
      { host: "127.0.0.1", port: 8_000 },
      { host: "127.0.0.2", port: 8_000 },
    ],
  )
})

test("the seed's announcement is refused in its own words", async (t) => {
  const { call, registry } = await started(t)
  const cases: [unknown, string | undefined][] = [
    [{ "Compute-Vector": 20 }, "Storage-Vector"],
    [{ "Compute-Vector": "20", "Storage-Vector": 13 }, "Compute-Vector"],
    [{ "Compute-Vector": -1, "Storage-Vector": 13 }, "Compute-Vector"],
    [{ "Compute-Vector": 1, "Storage-Vector": 1e30 }, "Storage-Vector"],
    [{ "Compute-Vector": 0, "Storage-Vector": 0 }, undefined],
    [undefined, undefined],
  ]
  for (const [body, path] of cases) {
    const error = errorOf(await call("POST", "/", body))
    assert.equal(error.code, "invalid_body")
    if (path !== undefined) assert.equal(error.path, path)
  }
  assert.deepEqual(registry.snapshot.members, [])
})

test("with other resources than compute and storage the seed's announcement says what to use instead", async (t) => {
  const resources = [...resourcesDefault, { ...resourcesDefault[0]!, name: "memory" }]
  const { call } = await started(t, { registry: { resources } })
  const error = errorOf(await call("POST", "/", { "Compute-Vector": 20, "Storage-Vector": 13 }))
  assert.equal(error.code, "invalid_body")
  assert.match(error.message, /memory.*PUT \/v1\/backends\/\{id\}/)
})

test("a body of the wrong shape is refused with the path, what was found and what is allowed", async (t) => {
  const { put } = await started(t)
  const cases: [unknown, string | undefined, RegExp][] = [
    [[], undefined, /object.*list/],
    [null, undefined, /object.*nothing/],
    ["a", undefined, /object.*"a"/],
    [{ ...announcement, capacity: { compute: "20", storage: 13 } }, "capacity.compute", /number.*"20"/],
    [{ ...announcement, capacity: { compute: [20], storage: 13 } }, "capacity.compute", /number.*list/],
    [{ ...announcement, capacity: { compute: null, storage: 13 } }, "capacity.compute", /number.*nothing/],
    [{ ...announcement, capacity: { compute: -1, storage: 13 } }, "capacity.compute", /from 0.*-1/],
    [{ ...announcement, capacity: { compute: 1 } }, "capacity.storage", /missing/],
    [{ ...announcement, capacity: { compute: 0, storage: 0 } }, "capacity", /more than 0/],
    [
      { ...announcement, capacity: { compute: 1, storage: 1, memory: 1 } },
      "capacity.memory",
      /compute, storage/,
    ],
    [{ ...announcement, capacity: [20, 13] }, "capacity", /list/],
    [{ capacity: announcement.capacity }, "address", /missing/],
    [{ ...announcement, adress: ":1" }, "adress", /did you mean "address"/],
    [{ adress: ":1", capacity: announcement.capacity }, "adress", /did you mean "address"/],
    [{ ...announcement, address: "http://127.0.0.1:80" }, "address", /host:port/],
    [{ ...announcement, address: ":0" }, "address", /65535/],
    [{ ...announcement, address: 80 }, "address", /80/],
    [{ ...announcement, address: "unix:app.sock" }, "address", /unix:\/path/],
    [{ ...announcement, scheme: "ftp" }, "scheme", /"http" or "https".*"ftp"/],
    [{ ...announcement, labels: { "tls-server-name": "1.2.3.4" } }, "labels.tls-server-name", /DNS name/],
    [{ ...announcement, weight: 0 }, "weight", /0\.001/],
    [{ ...announcement, ttlMs: 10 }, "ttlMs", /1000 to 600000.*10/],
    [{ ...announcement, ttlMs: 1.5e3 + 0.5 }, "ttlMs", /whole/],
    [{ ...announcement, incarnation: "1" }, "incarnation", /"1"/],
    [{ ...announcement, labels: { tier: 1 } }, "labels.tier", /1/],
    [{ ...announcement, zone: "" }, "zone", /1 to 128/],
  ]
  for (const [body, path, message] of cases) {
    const received = await put("a", body)
    const error = errorOf(received)
    const shown = `${JSON.stringify(body)}: ${error.message}`
    assert.deepEqual([received.status, error.code, error.path], [400, "invalid_body", path], shown)
    assert.match(error.message, message, shown)
  }
})

test("a number that JSON cannot hold is refused where it stands", async (t) => {
  const { sent } = await started(t)
  const nan = errorOf(await sent("PUT", "/v1/backends/a", '{"address": ":1", "capacity": {"compute": NaN}}'))
  assert.equal(nan.code, "invalid_json")
  assert.match(nan.message, /position 42/)
  const huge = '{"address": ":1", "capacity": {"compute": 1e999, "storage": 1}}'
  const infinite = errorOf(await sent("PUT", "/v1/backends/a", huge))
  assert.deepEqual([infinite.code, infinite.path], ["invalid_body", "capacity.compute"])
})

test("a body as deep as its limit allows is refused like any other", async (t) => {
  const { sent } = await started(t)
  const deep = `${"[".repeat(32_000)}${"]".repeat(32_000)}`
  assert.equal(errorOf(await sent("PUT", "/v1/backends/a", deep)).code, "invalid_body")
  const inside = `{"address": ":1", "capacity": ${`{"a":`.repeat(10_000)}1${"}".repeat(10_000)}}`
  assert.equal(errorOf(await sent("PUT", "/v1/backends/a", inside)).code, "invalid_body")
  const facts = '"address": ":1", "capacity": {"compute": 1, "storage": 1}'
  const hostile = `{"__proto__": {"x": 1}, ${facts}}`
  assert.equal(errorOf(await sent("PUT", "/v1/backends/b", hostile)).code, "invalid_body")
  const twice = `{"incarnation": 1, ${facts}, "incarnation": 2}`
  assert.equal(errorOf(await sent("PUT", "/v1/backends/b", twice)).code, "invalid_body")
  const keys = Array.from({ length: 5_000 }, (_, index) => `"k${index}": 1`).join()
  assert.equal(errorOf(await sent("PUT", "/v1/backends/b", `{${keys}}`)).code, "invalid_body")
  const long = errorOf(await sent("PUT", "/v1/backends/b", `{"${"k".repeat(60_000)}": 1}`))
  assert.ok(long.message.length < 400, `${long.message.length} characters`)
  assert.equal(({} as { x?: number }).x, undefined)
})

test("the sender of a body that is too large gets to read the refusal, declared or in chunks", async (t) => {
  const { listener, call } = await started(t)
  const large = "x".repeat(300_000)
  for (const framing of [`Content-Length: ${large.length}\r\n\r\n${large}`, chunked(large)]) {
    const received = await raw(
      listener,
      `PUT /v1/backends/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n${framing}`,
    )
    assert.match(received, /^HTTP\/1\.1 413 /)
    assert.match(received, /"body_too_large"/)
  }
  assert.equal((await call("GET", "/v1/backends")).status, 200)
})

test("a body is JSON by its type, or it is refused", async (t) => {
  const { sent } = await started(t)
  const text = JSON.stringify(announcement)
  for (const type of ["application/json", "Application/JSON", "application/json; charset=utf-8"]) {
    const { status } = await sent("PUT", "/v1/backends/a", text, { "Content-Type": type })
    assert.ok(status < 300, type)
  }
  for (const headers of [{}, { "Content-Type": "text/plain" }, { "Content-Type": "application/jsonp" }]) {
    const received = await sent("PUT", "/v1/backends/a", text, headers)
    assert.equal(errorOf(received).code, "unsupported_media_type")
  }
  const coded = { "Content-Type": "application/json", "Content-Encoding": "gzip" }
  assert.equal(errorOf(await sent("PUT", "/v1/backends/a", text, coded)).code, "unsupported_media_type")
})

test("a backend may announce its own address only", async (t) => {
  const { put, registry } = await started(t)
  for (const address of [":1", "127.0.0.1:1", "localhost:1", "127.0.0.9:1", "[::1]:1"]) {
    assert.equal((await put("a", { ...announcement, address })).status < 300, true, address)
  }
  assert.deepEqual(memberOf(registry, "a").address, { host: "::1", port: 1 })
  for (const address of ["10.0.0.1:1", "example.org:1", "[fd00::1]:1"]) {
    assert.equal(errorOf(await put("a", { ...announcement, address })).code, "address_not_allowed")
  }
})

test("a Unix socket is announced only within the folders that are set aside for it", async (t) => {
  const { put, call, registry } = await started(t, { unixFolders: ["/run/apps"] })
  const announced = { ...announcement, address: "unix:/run/apps/a.sock", scheme: "https" }
  assert.equal((await put("a", announced)).status, 201)
  assert.deepEqual(memberOf(registry, "a").address, { path: "/run/apps/a.sock" })
  const { body } = await call("GET", "/v1/backends")
  const [listed] = (body as { backends: { address: string; scheme: string }[] }).backends
  assert.deepEqual([listed?.address, listed?.scheme], ["unix:/run/apps/a.sock", "https"])
  for (const address of ["unix:/run/docker.sock", "unix:/run/apps-of-others/a.sock"]) {
    assert.equal(errorOf(await put("b", { ...announcement, address })).code, "address_not_allowed")
  }
})

test("another scheme or certificate name makes another registration, which is checked anew", async (t) => {
  const { put, registry } = await started(t)
  const process = { ...announcement, incarnation: 1 }
  await put("a", process)
  const { generation } = memberOf(registry, "a")
  await put("a", { ...process, zone: "z" })
  assert.equal(memberOf(registry, "a").generation, generation)
  await put("a", { ...process, scheme: "https" })
  assert.equal(memberOf(registry, "a").generation, generation + 1)
  await put("a", { ...process, scheme: "https", labels: { "tls-server-name": "a.test" } })
  assert.equal(memberOf(registry, "a").generation, generation + 2)
})

test("an address at which the balancer itself listens is refused, the seed's included", async (t) => {
  const { put, call, registry } = await started(t, {
    isOwnListener: (host, port) => host === "127.0.0.1" && port === 9_494,
    registry: { legacyPort: 9_494 },
  })
  for (const address of [":9494", "127.0.0.1:9494", "[::ffff:127.0.0.1]:9494"]) {
    const error = errorOf(await put("a", { ...announcement, address }))
    assert.deepEqual([error.code, error.path], ["own_listener", "address"], address)
  }
  const seed = { "Compute-Vector": 20, "Storage-Vector": 13 }
  assert.equal(errorOf(await call("POST", "/", seed)).code, "own_listener")
  assert.deepEqual(registry.snapshot.members, [])
  assert.equal((await put("a", { ...announcement, address: ":9495" })).status, 201)
})

test("foreign addresses can be allowed", async (t) => {
  const { put, registry } = await started(t, { allowForeignAddresses: true })
  assert.equal((await put("a", { ...announcement, address: "[fd00::1]:8080" })).status, 201)
  assert.deepEqual(memberOf(registry, "a").address, { host: "fd00::1", port: 8_080 })
})

test("a peer over IPv6 that is IPv4 is known by its IPv4 address", async (t) => {
  const { listener, registry } = await started(t, { host: "::" })
  const body = '{"Compute-Vector": 20, "Storage-Vector": 13}'
  await raw(
    { ...listener, address: { host: "127.0.0.1", port: listener.address.port } },
    `GET / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  )
  assert.deepEqual(registry.snapshot.members[0]!.address, { host: "127.0.0.1", port: 80 })
})

test("only peers within the allowed ranges may call, the seed's included", async (t) => {
  const { call } = await started(t, { allow: ["127.0.0.2/31", "10.0.0.0/8"] })
  const seed = { "Compute-Vector": 20, "Storage-Vector": 13 }
  for (const [method, path, body] of [
    ["PUT", "/v1/backends/a", announcement],
    ["GET", "/v1/backends", undefined],
    ["POST", "/", seed],
  ] as const) {
    const outside = await call(method, path, body, { localAddress: "127.0.0.1" })
    assert.equal(errorOf(outside).code, "peer_not_allowed")
    const inside = await call(method, path, body, { localAddress: "127.0.0.3" })
    assert.ok(inside.status < 300)
  }
})

test("with a token every call needs it, the seed's included", async (t) => {
  const { call, put } = await started(t, { token: "s3cret" })
  const seed = { "Compute-Vector": 20, "Storage-Vector": 13 }
  for (const authorization of [
    undefined,
    "Bearer",
    "Bearer s3cre",
    "Bearer s3crett",
    "Basic s3cret",
    "s3cret",
  ]) {
    const headers = authorization === undefined ? {} : { Authorization: authorization }
    for (const received of [
      await put("a", announcement, { headers }),
      await call("GET", "/v1/backends", undefined, { headers }),
      await call("POST", "/", seed, { headers }),
    ]) {
      assert.deepEqual([received.status, errorOf(received).code], [401, "unauthorized"], authorization)
    }
  }
  for (const authorization of ["Bearer s3cret", "bearer s3cret"]) {
    assert.ok((await put("a", announcement, { headers: { Authorization: authorization } })).status < 300)
  }
  assert.equal((await call("POST", "/", seed, { headers: { Authorization: "Bearer s3cret" } })).status, 200)
})

test("a refusal for want of a token says which scheme to use", async (t) => {
  const { listener } = await started(t, { token: "s3cret" })
  const received = await raw(listener, "GET /v1/backends HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  assert.match(received, /\r\nwww-authenticate: Bearer/i)
})

test("a web page may do nothing", async (t) => {
  const { put, call, registry } = await started(t)
  const foreign = [
    { Origin: "http://127.0.0.1:9797" },
    { Origin: "null" },
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
  ]
  for (const headers of foreign) {
    assert.equal(errorOf(await put("a", announcement, { headers })).code, "foreign_origin")
    assert.equal(
      errorOf(await call("POST", "/", { "Compute-Vector": 1, "Storage-Vector": 1 }, { headers })).code,
      "foreign_origin",
    )
  }
  assert.deepEqual(registry.snapshot.members, [])
  const { status } = await call("GET", "/v1/backends", undefined, { headers: { "Sec-Fetch-Site": "none" } })
  assert.equal(status, 200)
})

test("a foreign name that points here is refused; addresses, neighbours and own names are not", async (t) => {
  const { listener } = await started(t, { hosts: ["own.example"] })
  const open = [
    "127.0.0.1:1",
    "[::1]",
    "localhost:9797",
    "load-balancer:9797",
    "OWN.example.",
    "own.example:1",
  ]
  for (const host of open) assert.match(await listed(listener, `Host: ${host}`), /^HTTP\/1\.1 200 /, host)
  for (const fields of [
    "Host: evil.example",
    "Host: evil.example:9797",
    "Host: front\r\nHost: evil.example",
    "Host: ",
  ]) {
    assert.match(await listed(listener, fields), /^HTTP\/1\.1 403 [^]*"foreign_host"/, fields)
  }
  // All of them are told, not only the first, which alone would be right.
  assert.match(
    await listed(listener, "Host: front\r\nHost: evil.example"),
    /Host \\"front, evil.example\\" is not one/,
  )
  assert.match(await raw(listener, "GET /v1/backends HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /)
})

test("a token that is asked for and shown is enough, whatever name was asked", async (t) => {
  const { listener } = await started(t, { token: "secret" })
  const fields = "Host: lb.prod.example\r\nAuthorization: Bearer secret"
  assert.match(await listed(listener, fields), /^HTTP\/1\.1 200 /)
  assert.match(await listed(listener, "Host: lb.prod.example"), /^HTTP\/1\.1 401 /)
})

test("bodies that are under way take no more memory together than their limit: the oldest is ended for a new one", async (t) => {
  const { listener, put } = await started(t, { limits: { bodyBytesMax: 1_000, bodiesBytesMax: 1_000 } })
  const part =
    "PUT /v1/backends/slow HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
  const sockets: Socket[] = []
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  const closed: number[] = []
  for (let i = 0; i < 10; i++) {
    const socket = createConnection(listener.address)
    sockets.push(socket.on("error", () => undefined).resume())
    socket.on("close", () => closed.push(i))
    socket.write(part + " ".repeat(400))
    // The one before is seen first.
    assert.equal((await put(`b${i}`, announcement)).status, 201)
  }
  // Two fit.
  await until("eight are ended", () => closed.length === 8)
  for (let i = 0; i < 50; i++)
    assert.equal((await put("b0", { ...announcement, zone: "z".repeat(100) })).status, 200)
})

test("a wrong method says which are right, and an unknown path that it is unknown", async (t) => {
  const { listener, call } = await started(t)
  const cases = [
    ["POST /v1/backends", "GET, HEAD"],
    ["GET /v1/backends/a", "PUT, DELETE"],
    ["PATCH /v1/backends/a", "PUT, DELETE"],
    ["GET /v1/backends/a/renew", "POST"],
    ["PUT /v1/backends/a/drain", "POST"],
  ] as const
  for (const [line, allow] of cases) {
    const received = await raw(listener, `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.match(received, /^HTTP\/1\.1 405 /, line)
    assert.match(received, new RegExp(`\r\nallow: ${allow}\r\n`, "i"), line)
  }
  for (const path of [
    "/v1",
    "/v1/backends/",
    "/v1/backends/a/b",
    "/v2/backends",
    "//",
    "/%00",
    "/favicon.ico",
  ]) {
    const received = await call("GET", path)
    assert.deepEqual([received.status, errorOf(received).code], [404, "not_found"], path)
  }
})

test("garbage gets one response and its connection is closed, and others are not disturbed", async (t) => {
  const { listener, call } = await started(t)
  const garbage = [
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "\0".repeat(100_000),
  ]
  for (const bytes of garbage)
    assert.match(await raw(listener, bytes), /^HTTP\/1\.1 4/, JSON.stringify(bytes.slice(0, 40)))
  assert.equal((await call("GET", "/v1/backends")).status, 200)
})

test("odd but valid requests get a response", async (t) => {
  const { listener } = await started(t)
  for (const head of [
    "GET /v1/backends HTTP/1.0",
    "TRACE / HTTP/1.1\r\nHost: x",
    "OPTIONS * HTTP/1.1\r\nHost: x",
    "GET http://x/v1/backends HTTP/1.1\r\nHost: x",
    "GET /v1/backends HTTP/1.1\r\nHost: a b",
    "GET /v1/backends HTTP/1.1\r\nHost: ",
    "GET /v1/backends HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade",
    "HEAD /v1/backends HTTP/1.1\r\nHost: x",
  ]) {
    const received = await raw(listener, `${head}\r\nConnection: close\r\n\r\n`)
    assert.match(received, /^HTTP\/1\.1 [24]/, head)
  }
})

test("requests in one packet get their responses in order", async (t) => {
  const { listener } = await started(t)
  const body = JSON.stringify(announcement)
  const put = `PUT /v1/backends/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const received = await raw(
    listener,
    `${put}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\nDELETE /v1/backends/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  )
  assert.deepEqual(
    Array.from(received.matchAll(/HTTP\/1\.1 (\d+)/g), (match) => match[1]),
    ["201", "404", "204"],
  )
})

test("a request that does not arrive whole gets 408 and its connection is closed", async (t) => {
  const { listener } = await started(t, { limits: { requestMs: 60 } })
  for (const part of [
    "PUT /v1/backends/a HT",
    "PUT /v1/backends/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
  ]) {
    const received = await raw(listener, part)
    assert.match(received, /^HTTP\/1\.1 408 /)
    assert.match(received, /"request_timeout"/)
  }
})

test("a peer that never closes its side does not keep a connection that was refused", async (t) => {
  const { listener } = await started(t)
  const socket = createConnection({ ...listener.address, allowHalfOpen: true })
  const { promise: reset, resolve } = Promise.withResolvers<void>()
  // Writing to a connection that the other side has closed whole is met by a reset.
  socket.on("error", () => resolve())
  socket.on("end", () => {
    const more = (): void => {
      if (socket.write("x")) setImmediate(more)
    }
    more()
  })
  socket.resume()
  socket.write("garbage\r\n\r\n")
  await reset
})

test("one address is the same however a backend writes it", async (t) => {
  const { put, registry } = await started(t)
  assert.equal((await put("a", { ...announcement, address: "[::ffff:127.0.0.1]:1" })).status, 201)
  assert.deepEqual(memberOf(registry, "a").address, { host: "127.0.0.1", port: 1 })
})

test("peers that leave in the middle do no harm", async (t) => {
  const { listener, call } = await started(t)
  const parts = [
    "",
    "P",
    "PUT /v1/backends/a HTTP/1.1\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
  ]
  for (const part of parts) {
    for (const leave of ["end", "resetAndDestroy"] as const) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const { host, port } = listener.address
      const socket = createConnection({ host, port }, () => socket.write(part || " ", () => socket[leave]()))
      socket.on("error", () => undefined)
      socket.on("close", () => resolve())
      socket.resume()
      await promise
    }
  }
  assert.equal((await call("GET", "/v1/backends")).status, 200)
})

test("closing ends connections that idle or have sent half a request", async (t) => {
  const { listener, call } = await started(t)
  const agent = new Agent({ keepAlive: true })
  await call("GET", "/v1/backends", undefined, { agent })
  const half = raw(listener, "PUT /v1/backends/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
  await call("GET", "/v1/backends", undefined, { agent })
  await listener.close()
  assert.equal(await half, "")
  agent.destroy()
  await assert.rejects(call("GET", "/v1/backends"), { code: "ECONNREFUSED" })
})

test("an address that is taken is an error for the caller that starts it", async (t) => {
  const { listener, registry } = await started(t)
  await assert.rejects(startRegistration({ ...quiet, ...listener.address, registry }), { code: "EADDRINUSE" })
})

test("what the registry refuses has its status", async (t) => {
  const { put, call, registry } = await started(t, { registry: { backendsMax: 1 } })
  await put("a", { ...announcement, incarnation: 5 })
  const full = await put("b", announcement)
  assert.deepEqual([full.status, errorOf(full).code], [503, "too_many_backends"])
  const old = await put("a", { ...announcement, incarnation: 4 })
  assert.deepEqual([old.status, errorOf(old).code], [409, "stale_incarnation"])
  registry.configure(
    [{ id: "a", address: { host: "127.0.0.1", port: 1 }, capacity: announcement.capacity }],
    0,
  )
  const named = await put("a", announcement)
  assert.deepEqual([named.status, errorOf(named).code], [409, "configured_backend"])
  for (const [method, path] of [
    ["POST", "/v1/backends/a/renew"],
    ["POST", "/v1/backends/a/drain"],
    ["DELETE", "/v1/backends/a"],
  ] as const) {
    const stale = await call(method, path, { generation: 99 })
    assert.deepEqual([stale.status, errorOf(stale).code], [409, "stale_generation"])
    const unknown = await call(method, path.replace("/a", "/unknown"))
    assert.deepEqual([unknown.status, errorOf(unknown).code], [404, "unknown_backend"])
  }
})

test("a bug gives 500 and does not end the listener", async (t) => {
  const { put, call, registry } = await started(t)
  Object.defineProperty(registry, "register", {
    configurable: true,
    value: () => {
      throw new Error("a bug")
    },
  })
  const received = await put("a", announcement)
  assert.deepEqual([received.status, errorOf(received).code], [500, "internal_error"])
  assert.equal((await call("GET", "/v1/backends")).status, 200)
})

test("a head that is too large is refused", async (t) => {
  const { listener } = await started(t)
  const received = await raw(listener, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)
  assert.match(received, /^HTTP\/1\.1 431 [^]*"head_too_large"/)
})

function listed(listener: ApiListener, fields: string): Promise<string> {
  return raw(listener, `GET /v1/backends HTTP/1.1\r\n${fields}\r\nConnection: close\r\n\r\n`)
}

after(() => {
  // Every error that the API documents was a response above, with the status that the table has for it.
  assert.deepEqual([...provoked].sort(), document.codes)
})

const announcement = { address: ":8080", capacity: { compute: 20, storage: 13 } }
const provoked = new Set<string>()
/** Every response of this file is held against it. */
const document = new ApiDocument(openApiOf(registrationApi))
const quiet = {
  host: "127.0.0.1",
  port: 0,
  clock: { now: () => 0 },
  allowForeignAddresses: false,
  onChange: () => undefined,
}

interface Received {
  readonly status: number
  /** Parsed where it is JSON, undefined where there is none. */
  readonly body: unknown
}

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly localAddress?: string
  readonly agent?: Agent
}

interface Started {
  readonly listener: ApiListener
  readonly registry: Registry
  readonly call: (method: string, path: string, body?: unknown, options?: CallOptions) => Promise<Received>
  readonly put: (id: string, body: unknown, options?: CallOptions) => Promise<Received>
  readonly sent: (
    method: string,
    path: string,
    text: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Received>
}

async function started(
  t: TestContext,
  options: Partial<Omit<RegistrationOptions, "registry">> & {
    readonly registry?: Partial<RegistryOptions>
  } = {},
): Promise<Started> {
  let slots = 0
  const registry = new Registry({
    resources: resourcesDefault,
    slots: { allocate: () => slots++, retire: () => undefined },
    firstGeneration: 100,
    ...options.registry,
  })
  const listener = await startRegistration({ ...quiet, ...options, registry })
  t.after(() => listener.close())
  const { port } = listener.address
  const call: Started["call"] = (method, path, body, callOptions = {}) => {
    const headers = {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...callOptions.headers,
    }
    const text = body === undefined ? "" : JSON.stringify(body)
    return send(port, method, path, text, { ...callOptions, headers })
  }
  return {
    listener,
    registry,
    call,
    put: (id, body, callOptions) => call("PUT", `/v1/backends/${id}`, body, callOptions),
    sent: (method, path, text, headers = { "Content-Type": "application/json" }) =>
      send(port, method, path, text, { headers }),
  }
}

function send(
  port: number,
  method: string,
  path: string,
  text: string,
  options: CallOptions,
): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>()
  const { headers = {}, ...rest } = options
  const length = text === "" ? {} : { "Content-Length": Buffer.byteLength(text) }
  const call = httpRequest(
    { host: "127.0.0.1", port, method, path, agent: false, headers: { ...length, ...headers }, ...rest },
    (response) => {
      const chunks: Buffer[] = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", reject)
      response.on("end", () => {
        const received = Buffer.concat(chunks).toString()
        const isJson = response.headers["content-type"]?.startsWith("application/json")
        const body = received === "" ? undefined : isJson ? (JSON.parse(received) as unknown) : received
        const type = response.headers["content-type"]
        document.check(method, path, { status: response.statusCode!, type, body: received })
        notice(response.statusCode!, received)
        resolve({ status: response.statusCode!, body })
      })
    },
  )
  call.on("error", reject)
  call.end(text)
  return promise
}

/** Sends the parts one after the other and resolves with all that came back when the listener has closed. */
async function raw({ address }: ApiListener, ...parts: string[]): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  // It never closes its own side first, so that the listener has to.
  const socket = createConnection({ ...address, allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on("data", (chunk) => chunks.push(chunk))
  socket.on("error", () => undefined)
  const done = (): void => {
    socket.destroy()
    const received = Buffer.concat(chunks).toString("latin1")
    notice(Number(/^HTTP\/1\.1 (\d+)/.exec(received)?.[1]), received)
    resolve(received)
  }
  socket.on("end", done)
  socket.on("close", done)
  for (const part of parts) {
    socket.write(Buffer.from(part, "latin1"))
    await new Promise(setImmediate)
  }
  return promise
}

/** Remembers the error of a response (the first of several), which has the status that the table has for it. */
function notice(status: number, received: string): void {
  const code = /^(?:HTTP(?:(?!HTTP)[^])*)?\{"error":\{"code":"(\w+)"/.exec(received)?.[1]
  if (code === undefined) return
  assert.equal(apiErrors[code as keyof typeof apiErrors].status, status)
  provoked.add(code)
}

function errorOf({ body }: Received): { code: string; message: string; path?: string } {
  assert.ok(typeof body === "object" && body !== null && "error" in body, JSON.stringify(body))
  return body.error as { code: string; message: string; path?: string }
}

function memberOf(registry: Registry, id: string): Member {
  const found = registry.snapshot.members.find((member) => member.id === id)
  assert.ok(found !== undefined, `${id} is a member`)
  return found
}

function chunked(text: string): string {
  return `Transfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
}
