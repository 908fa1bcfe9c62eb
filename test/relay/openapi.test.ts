/** What a running balancer serves on its control listeners, held against the documents that it serves there itself. */
import assert from "node:assert/strict"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, test } from "node:test"
import type { OpenApiDocument } from "../../src/control/api/openapi.ts"
import type { Endpoint } from "../../src/core/endpoint.ts"
import { type Balancer, createBalancer } from "../../src/index.ts"
import { ApiDocument } from "../support/api-document.ts"
import { until } from "../support/until.ts"

type Listener = "admin" | "registration"

/** One request, and the status and the code of error of the response. */
type Row = readonly [
  request: string,
  expected: string,
  body?: unknown,
  fields?: Readonly<Record<string, string>>,
]

const token = "a-token"
const bearer = { Authorization: `Bearer ${token}` }
const backend = createServer((_request, response) => response.end("ok"))
let balancer: Balancer
let documents: Readonly<Record<Listener, ApiDocument>>
let facts: object

before(async () => {
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
  const { port } = backend.address() as AddressInfo
  facts = { address: `127.0.0.1:${port}`, capacity: { compute: 20, storage: 13 } }
  balancer = await createBalancer({
    listen: "127.0.0.1:0",
    workers: 1,
    registration: { backendsMax: 3 },
    admin: { token },
    checks: { interval: "50ms" },
    pools: [{ name: "gold", match: { labels: { tier: "gold" } }, policy: "random" }],
    routes: [{ name: "users", path: "/users/*", demand: { compute: 2 } }],
    timeouts: { unready: "0s", drain: "0s" },
  })
  documents = { admin: await documentOf("admin"), registration: await documentOf("registration") }
})

after(async () => {
  backend.close()
  await balancer?.close()
})

for (const listener of ["admin", "registration"] as const) {
  test(`the document of the ${listener} listener is one of OpenAPI 3.1, and its examples have their shapes`, async () => {
    await documents[listener].assertValid()
    documents[listener].checkExamples()
  })
}

test("every registration call responds as it is documented", async () => {
  const seed = { "Compute-Vector": 20, "Storage-Vector": 13 }
  await all("registration", [
    [
      "PUT /v1/backends/app-1",
      "201",
      { ...facts, zone: "a", version: "1", labels: { tier: "gold" }, incarnation: 1 },
    ],
    ["PUT /v1/backends/app-1", "200", { ...facts, incarnation: 1, labels: { tier: "gold" } }],
    ["PUT /v1/backends/app-1", "409 stale_incarnation", { ...facts, incarnation: 0 }],
    ["PUT /v1/backends/a%20b", "400 invalid_id", facts],
    ["PUT /v1/backends/b", "400 invalid_body", { ...facts, adress: 1 }],
    ["PUT /v1/backends/b", "403 address_not_allowed", { ...facts, address: "10.0.0.1:80" }],
    ["PUT /v1/backends/b", "403 own_listener", { ...facts, address: `:${balancer.listeners.admin.port}` }],
    ["PUT /v1/backends/b", "415 unsupported_media_type", facts, { "Content-Type": "text/plain" }],
    ["PUT /v1/backends/b", "413 body_too_large", "x".repeat(70_000)],
    ["PUT /v1/backends/b", "403 foreign_origin", facts, { Origin: "http://evil.test" }],
    ["PUT /v1/backends/b", "403 foreign_host", facts, { Host: "evil.test" }],
    ["PUT /v1/backends/b", "400 malformed_request", facts, { Host: "a b" }],
    ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"].map((method): Row => [
      `${method} /`,
      "200",
      seed,
    ]),
    ["GET /", "400 invalid_body"],
    ["PUT /v1/backends/c", "201", facts],
    ["PUT /v1/backends/d", "503 too_many_backends", facts],
    ["HEAD /v1/backends", "200"],
    ["POST /v1/backends/app-1/renew", "200"],
    ["POST /v1/backends/app-1/renew", "200", { utilization: { compute: 0.5 }, inFlight: 2 }],
    ["POST /v1/backends/app-1/renew", "409 stale_generation", { generation: 1 }],
    ["POST /v1/backends/unknown/renew", "404 unknown_backend"],
    ["POST /v1/backends/c/drain", "200"],
    ["POST /v1/backends/unknown/drain", "404 unknown_backend"],
    ["DELETE /v1/backends/c", "204"],
    ["DELETE /v1/backends/c", "404 unknown_backend"],
    ["PATCH /v1/backends/c", "405 method_not_allowed"],
    ["GET /nothing", "404 not_found"],
  ])
  await isWhole("registration")
})

test("every admin call responds as it is documented, with backends that serve and requests that were relayed", async () => {
  await until("the backend serves", () => balancer.state().totals.eligible > 0)
  for (const path of ["/", "/users/1", "/users/2"]) {
    const response = await fetch(`http://127.0.0.1:${balancer.listeners.traffic.port}${path}`)
    assert.equal(await response.text(), "ok")
  }
  await until("the routes are known", () => balancer.state().routes.length > 1)
  const { status, etag = "" } = await sent("admin", "GET /page.css")
  assert.equal(status, 200)
  await all("admin", [
    ["GET /api/v1/state", "200"],
    ["GET /api/v1/state", "403 foreign_host", undefined, { Host: "evil.test" }],
    ["GET /api/v1/state", "403 foreign_origin", undefined, { Origin: "http://evil.test" }],
    ["GET /api/v1/backends/app-1", "200"],
    ["GET /api/v1/backends/unknown", "404 unknown_backend"],
    ["GET /", "200"],
    ["GET /", "304", undefined, { "If-None-Match": "*" }],
    ["GET /page.js", "200"],
    ["GET /page.css", "304", undefined, { "If-None-Match": etag }],
    ["POST /api/v1/policy", "401 unauthorized", { name: "random" }],
    ["POST /api/v1/policy", "400 invalid_body", { name: "unknown" }, bearer],
    ["POST /api/v1/policy", "400 invalid_body", [], bearer],
    ["POST /api/v1/policy", "400 invalid_json", "{", { ...bearer, "Content-Type": "application/json" }],
    ["POST /api/v1/policy", "200", { name: "random" }, bearer],
    ["POST /api/v1/policy", "200", { name: "least-time", pool: "gold" }, bearer],
    ["GET /api/v1/state", "200"],
    ["GET /api/v1/policy", "405 method_not_allowed"],
    ["GET /nothing.css", "404 not_found"],
  ])
  await isWhole("admin")
})

/**
 * Every operation has been called, with each success that it documents. Those that show something and need nothing to do
 * so are called here; of a stream, which does not end, only the head.
 */
async function isWhole(listener: Listener): Promise<void> {
  const { operations, seen } = documents[listener]
  for (const { method, path } of operations) {
    const reads = method === "GET" && path !== "/" && !path.includes("{")
    if (reads) await all(listener, [[`${path.endsWith("/events") ? "HEAD" : "GET"} ${path}`, "200"]])
  }
  const missing = operations.flatMap(({ id, statuses }) =>
    statuses
      .filter((status) => /^[23]/.test(status) && !seen.has(`${id} ${status}`))
      .map((status) => `${id} ${status}`),
  )
  assert.deepEqual(missing, [])
}

async function all(listener: Listener, rows: readonly Row[]): Promise<void> {
  for (const [line, expected, body, fields] of rows) {
    const { status, code } = await sent(listener, line, body, fields)
    assert.equal(code === undefined ? `${status}` : `${status} ${code}`, expected, line)
  }
}

async function documentOf(listener: Listener): Promise<ApiDocument> {
  const { text } = await sent(listener, "GET /openapi.json")
  return new ApiDocument(JSON.parse(text) as OpenApiDocument)
}

interface Sent {
  readonly status: number
  readonly text: string
  readonly code: string | undefined
  readonly etag: string | undefined
}

/** Sends it, and asserts that the response is as documented. */
function sent(
  listener: Listener,
  line: string,
  body?: unknown,
  fields: Readonly<Record<string, string>> = {},
): Promise<Sent> {
  const [method = "", path = ""] = line.split(" ")
  const { host, port }: Endpoint = balancer.listeners[listener]
  const bytes = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body)
  const type = body === undefined ? {} : { "Content-Type": "application/json" }
  const length = bytes === "" ? {} : { "Content-Length": Buffer.byteLength(bytes) }
  const headers = { ...type, ...length, ...fields }
  return new Promise((resolve, reject) => {
    const call = request({ host, port, method, path, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (more: string) => (text += more))
      response.on("error", reject)
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response
        const shown = method === "HEAD" ? undefined : text
        // The documents themselves come first.
        documents?.[listener].check(method, path, { status, type: headers["content-type"], body: shown })
        const [, code] = /^\{"error":\{"code":"(\w+)"/.exec(text) ?? []
        resolve({ status, text, code, etag: headers.etag })
      })
    })
    call.on("error", reject)
    call.end(bytes)
  })
}
