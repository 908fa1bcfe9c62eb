/** TLS between the balancer and its backends: what it trusts, what it shows, and what it says when that fails. */
import assert from "node:assert/strict"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { test, type TestContext } from "node:test"
import { createServer, type TLSSocket, type TlsOptions } from "node:tls"
import { probeOf } from "../../src/control/checks.ts"
import { parseConfig } from "../../src/config/config-parse.ts"
import { fail, ok } from "../../src/core/result.ts"
import { destinationOf, Dialer } from "../../src/proxy/backends/dial.ts"
import { systemTimers } from "../../src/system.ts"
import type { Resolve } from "../../src/net/name-cache.ts"
import type { BackendOptions } from "../../src/config/config.ts"
import { plainBackends } from "../support/backend-options.ts"
import { type Authority, authority } from "../support/authority.ts"
import { asked, get, ok as okay, post } from "../support/wire/messages.ts"
import { framings, upload } from "../support/uploads.ts"
import { answers, playing, relay, type RelayChange, type Script, type Wire } from "../support/relay.ts"
import { until } from "../support/until.ts"

const refuses: Script = (wire) => void wire.socket.once("data", () => wire.send("HTTP/1.1 400 Bad\r\n\r\n"))
const ends: Script = (wire) => void wire.socket.once("data", () => wire.socket.destroy())
const answer = answers((request) => okay(request.body.length > 0 ? request.body.toString() : "secret"))

interface Secured {
  readonly host: string
  readonly port: number
  readonly wires: readonly Wire[]
}

async function secured(t: TestContext, options: TlsOptions, script: Script = answer): Promise<Secured> {
  const server = createServer({ ALPNProtocols: ["http/1.1"], ...options })
  server.on("tlsClientError", () => {})
  const wires = await playing(t, server, "secureConnection", script, { host: "127.0.0.1", port: 0 })
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port, wires }
}

/** Members speak TLS, this authority is trusted, and `a.test` is where all backends are. */
function trusting(
  trusted: Authority | undefined,
  tls: Partial<BackendOptions["tls"]> = {},
  labels: Readonly<Record<string, string>> = {},
): RelayChange {
  return {
    member: { scheme: "https", labels },
    resolve: (_name, found) => found(null, [{ address: "127.0.0.1", family: 4 }]),
    upstream: {
      tls: {
        ca: trusted?.ca,
        verify: true,
        serverName: undefined,
        cert: undefined,
        key: undefined,
        ...tls,
      },
    },
  }
}

function tlsOf({ wires }: Secured, nth: number): TLSSocket {
  return wires[nth]!.socket as TLSSocket
}

test("a backend of scheme https is spoken to within TLS, by the name of its address, in HTTP/1.1", async (t) => {
  const trusted = authority(t)
  const backend = await secured(t, trusted.issue(["DNS:a.test"]))
  const { client, counters } = await relay(t, [{ host: "a.test", port: backend.port }], trusting(trusted))
  const wire = await client()
  for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, "secret"])
  assert.equal(backend.wires.length, 1)
  const { alpnProtocol, servername } = tlsOf(backend, 0)
  assert.deepEqual([alpnProtocol, servername], ["http/1.1", "a.test"])
  assert.deepEqual(counters.errors(), {})
})

test("the dot of a fully qualified name is for the resolver, not for TLS", async (t) => {
  const trusted = authority(t)
  const backend = await secured(t, trusted.issue(["DNS:a.test"]))
  const resolved: string[] = []
  const resolve: Resolve = (name, answer) => {
    resolved.push(name)
    answer(null, [{ address: "127.0.0.1", family: 4 }])
  }
  const change = { ...trusting(trusted), resolve }
  const { client } = await relay(t, [{ host: "A.test.", port: backend.port }], change)
  const wire = await client()
  wire.send(get())
  assert.equal((await wire.response()).status, 200)
  assert.equal(tlsOf(backend, 0).servername, "a.test")
  assert.deepEqual(resolved, ["A.test."])
})

test("long bodies go through TLS byte for byte, both ways", async (t) => {
  const trusted = authority(t)
  const backend = await secured(t, trusted.issue(["DNS:a.test"]))
  const { client } = await relay(t, [{ host: "a.test", port: backend.port }], trusting(trusted))
  const wire = await client()
  const body = Array.from({ length: 100_000 }, (_, i) => i).join(",")
  assert.ok((await asked(wire, post(body)))[1] === body)
  assert.deepEqual(await asked(wire, get()), [200, "secret"])
  assert.equal(backend.wires.length, 1)
})

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`the session of one connection spares the next one the certificate, in ${maxVersion}`, async (t) => {
    const trusted = authority(t)
    const reused: boolean[] = []
    const once: Script = async (wire) => {
      reused.push((wire.socket as TLSSocket).isSessionReused())
      await wire.request()
      wire.send(okay("secret", "Connection: close\r\n"))
      wire.socket.end()
    }
    const backend = await secured(t, { ...trusted.issue(["DNS:a.test"]), maxVersion }, once)
    const { client } = await relay(t, [{ host: "a.test", port: backend.port }], trusting(trusted))
    const wire = await client()
    for (let i = 0; i < 3; i++) assert.deepEqual(await asked(wire, get()), [200, "secret"])
    assert.deepEqual(reused, [false, true, true])
  })
}

for (const [why, names, days, code] of [
  ["for another name", ["DNS:b.test"], 2, "ERR_TLS_CERT_ALTNAME_INVALID"],
  ["that has run out", ["DNS:a.test"], -1, "CERT_HAS_EXPIRED"],
] as const) {
  test(`a certificate ${why} is 502 backend_tls_failed, and the backend is asked nothing`, async (t) => {
    const trusted = authority(t)
    const backend = await secured(t, trusted.issue(names, days))
    const { client, counters } = await relay(t, [{ host: "a.test", port: backend.port }], trusting(trusted))
    const wire = await client()
    // Twice: a session of the first must not spare the second the certificate.
    for (let i = 0; i < 2; i++) await assertRefused(wire, code)
    assert.equal(
      backend.wires.reduce((bytes, { received }) => bytes + received, 0),
      0,
    )
    assert.equal(counters.failures(0), 2)
  })
}

test("an unknown authority is not trusted, whatever the name", async (t) => {
  const backend = await secured(t, authority(t).issue(["DNS:a.test"]))
  const address = { host: "a.test", port: backend.port }
  for (const trusted of [authority(t), undefined]) {
    const { client } = await relay(t, [address], trusting(trusted))
    await assertRefused(await client(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
  }
})

test("without verification any certificate will do", async (t) => {
  const backend = await secured(t, authority(t).issue(["DNS:b.test"], -1))
  const change = trusting(undefined, { verify: false })
  const { client } = await relay(t, [{ host: "a.test", port: backend.port }], change)
  assert.deepEqual(await asked(await client(), get()), [200, "secret"])
})

test("a request that one backend's certificate keeps from it goes to another, whatever its method", async (t) => {
  const trusted = authority(t)
  const wrong = await secured(t, trusted.issue(["DNS:b.test"]))
  const right = await secured(t, trusted.issue(["DNS:a.test"]))
  const addresses = [wrong, right].map(({ port }) => ({ host: "a.test", port }))
  const { client, counters } = await relay(t, addresses, trusting(trusted))
  const wire = await client()
  for (let i = 0; i < 4; i++) assert.deepEqual(await asked(wire, post("hi")), [200, "hi"])
  assert.deepEqual([counters.failures(0), counters.failures(1)], [1, 0])
})

test("a backend that speaks no TLS is 502 backend_tls_failed", async (t) => {
  const plain = createTcpServer()
  await playing(t, plain, "connection", refuses, { host: "127.0.0.1", port: 0 })
  const { port } = plain.address() as AddressInfo
  const { client } = await relay(t, [{ host: "a.test", port }], trusting(authority(t)))
  await assertRefused(await client(), "ERR_SSL_WRONG_VERSION_NUMBER")
})

test("a backend that accepts and then says nothing is 504 connect_timeout in the handshake", async (t) => {
  const silent = createTcpServer()
  const wires = await playing(t, silent, "connection", () => {}, { host: "127.0.0.1", port: 0 })
  const { port } = silent.address() as AddressInfo
  const change = { ...trusting(authority(t)), timeouts: { connectMs: 100 } }
  const { client } = await relay(t, [{ host: "a.test", port }], change)
  const wire = await client()
  wire.send(get())
  const response = await wire.response()
  assert.equal(response.status, 504)
  assert.match(response.body.toString(), /"connect_timeout".*\(100 ms, in the TLS handshake\)/)
  await until("the end of the connection", () => wires[0]!.gone)
})

test("a backend that ends the connection in the handshake is 502 backend_tls_failed", async (t) => {
  const server = createTcpServer()
  await playing(t, server, "connection", ends, { host: "127.0.0.1", port: 0 })
  const { port } = server.address() as AddressInfo
  const { client } = await relay(t, [{ host: "a.test", port }], trusting(authority(t)))
  await assertRefused(await client(), "closed")
})

test("a backend by its IP address shows that in its certificate, and is sent no server name", async (t) => {
  const trusted = authority(t)
  const backend = await secured(t, trusted.issue(["IP:127.0.0.1"]))
  const { client } = await relay(t, [backend], trusting(trusted))
  assert.deepEqual(await asked(await client(), get()), [200, "secret"])
  assert.equal(tlsOf(backend, 0).servername, false)
  const other = await secured(t, trusted.issue(["IP:127.0.0.2"]))
  const { client: another } = await relay(t, [other], trusting(trusted))
  await assertRefused(await another(), "ERR_TLS_CERT_ALTNAME_INVALID")
})

test("the name that a backend announces stands in for that of its address, and the operator's for both", async (t) => {
  const trusted = authority(t)
  const announced = await secured(t, trusted.issue(["DNS:announced.test"]))
  const labels = { "tls-server-name": "announced.test" }
  const { client } = await relay(t, [announced], trusting(trusted, {}, labels))
  assert.deepEqual(await asked(await client(), get()), [200, "secret"])
  assert.equal(tlsOf(announced, 0).servername, "announced.test")

  const change = trusting(trusted, { serverName: "fleet.test" }, labels)
  const fleet = await secured(t, trusted.issue(["DNS:fleet.test"]))
  const { client: second } = await relay(t, [fleet], change)
  assert.deepEqual(await asked(await second(), get()), [200, "secret"])
  // A backend that announces a name of its own choice must not get past the one that the operator has set.
  const { client: third } = await relay(t, [announced], change)
  await assertRefused(await third(), "ERR_TLS_CERT_ALTNAME_INVALID")
})

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a backend that asks for a certificate gets it; without one nothing is sent twice, in ${maxVersion}`, async (t) => {
    const trusted = authority(t)
    const options = { ...trusted.issue(["DNS:a.test"]), ca: trusted.ca, requestCert: true, maxVersion }
    const strict = await secured(t, options)
    const address = { host: "a.test", port: strict.port }
    const own = trusted.issue(["DNS:balancer.test"])
    const { client } = await relay(t, [address], trusting(trusted, own))
    assert.deepEqual(await asked(await client(), post("hi")), [200, "hi"])
    assert.ok(tlsOf(strict, 0).authorized)

    const { client: unknown, counters } = await relay(t, [address], trusting(trusted))
    const wire = await unknown()
    wire.send(post("hi"))
    const response = await wire.response()
    assert.equal(response.status, 502)
    assert.match(response.body.toString(), /"backend_tls_failed"/)
    assert.deepEqual(counters.errors(), { backend_tls_failed: 1 })
    assert.equal(strict.wires.length, 1)
  })
}

test("the checks shake hands as the exchanges do, and say what is wrong with a certificate", async (t) => {
  const trusted = authority(t)
  const right = await secured(t, trusted.issue(["DNS:a.test"]))
  const wrong = await secured(t, trusted.issue(["DNS:b.test"]))
  const old = await secured(t, trusted.issue(["DNS:a.test"], -1))
  const { upstream, resolve } = trusting(trusted)
  const dialer = new Dialer(
    { ...plainBackends, ...upstream },
    { now: () => 0 },
    { resolve, timers: systemTimers },
  )
  const statuses = [{ from: 200, to: 299 }]
  const probes = [
    probeOf({ kind: "tcp" }, dialer),
    probeOf({ kind: "http", path: "/healthz", statuses }, dialer),
  ]
  const never = new AbortController().signal
  const cases = [
    [right, undefined],
    [wrong, "its certificate is for another name"],
    [old, "its certificate has expired"],
  ] as const
  for (const [{ port }, error] of cases) {
    const to = destinationOf({ address: { host: "a.test", port }, scheme: "https", labels: {} })
    const expected = error === undefined ? { passed: true } : { passed: false, error }
    for (const probe of probes) assert.deepEqual(await probe(to, 5_000, never), expected)
  }
  const asks = right.wires.map(({ text }) => text).find((text) => text !== "")
  assert.match(asks ?? "", new RegExp(`^GET /healthz HTTP/1\\.1\\r\\nHost: a\\.test:${right.port}\\r\\n`))
})

test("a check of a backend that accepts and says nothing ends in time", async (t) => {
  const silent = createTcpServer()
  await playing(t, silent, "connection", () => {}, { host: "127.0.0.1", port: 0 })
  const { port } = silent.address() as AddressInfo
  const { upstream } = trusting(undefined)
  const dialer = new Dialer({ ...plainBackends, ...upstream }, { now: () => 0 }, { timers: systemTimers })
  const to = destinationOf({ address: { host: "127.0.0.1", port }, scheme: "https", labels: {} })
  const outcome = await probeOf({ kind: "tcp" }, dialer)(to, 50, new AbortController().signal)
  assert.deepEqual(outcome, { passed: false, error: "no connection within 50 ms" })
})

test("the files of upstream.tls are read into the configuration", (t) => {
  const trusted = authority(t)
  const { cert, key } = trusted.issue(["DNS:balancer.test"])
  const files: Readonly<Record<string, string>> = {
    ca: trusted.ca,
    cert,
    key,
    other: trusted.issue(["DNS:x"]).key,
  }
  const parse = (tls: unknown) =>
    parseConfig(
      { upstream: { tls } },
      {
        policies: { auto: {}, price: {} },
        readFile: (path) => (files[path] === undefined ? fail("there is no such file") : ok(files[path])),
      },
    )
  const config = parse({ ca: "ca", cert: "cert", key: "key", serverName: "a.test" })
  assert.ok(config.ok)
  assert.deepEqual(config.value.upstream.tls, {
    verify: true,
    serverName: "a.test",
    ca: trusted.ca,
    cert,
    key,
  })
  const mixed = parse({ cert: "cert", key: "other" })
  assert.deepEqual(!mixed.ok && mixed.error.map(({ path }) => path.join(".")), ["upstream.tls.key"])
})

async function assertRefused(wire: Wire, code: string): Promise<void> {
  wire.send(get())
  const response = await wire.response()
  assert.equal(response.status, 502)
  assert.match(response.body.toString(), /"backend_tls_failed"/)
  assert.ok(response.body.toString().includes(`(${code})`), response.body.toString())
}

for (const [how, ending] of [
  ["goes on reading", () => {}],
  ["takes no more", (wire: Wire) => void wire.socket.pause()],
  ["ends its side", (wire: Wire) => void wire.socket.end()],
  ["closes, which resets what is still coming", (wire: Wire) => wire.socket.destroySoon()],
] as const) {
  test(`a client that writes all before it reads gets the early 413 of a backend within TLS that ${how}`, async (t) => {
    const trusted = authority(t)
    const backend = await secured(t, trusted.issue(["DNS:a.test"]), async (wire) => {
      await wire.head()
      wire.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
      ending(wire)
    })
    const { client, counters } = await relay(t, [{ host: "a.test", port: backend.port }], trusting(trusted))
    for (let i = 0; i < 10; i++) {
      const wire = await client()
      await upload(wire, framings["with a length"])
      const response = await wire.response()
      assert.deepEqual([response.status, response.body.toString()], [413, "large"])
    }
    assert.deepEqual(counters.errors(), {})
  })
}
