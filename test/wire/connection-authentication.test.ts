/**
 * Backends that know a user by the connection, as with NTLM and Negotiate (RFC 4559 6): what one client has proved on a
 * connection must never speak for another.
 */
import assert from "node:assert/strict"
import { type AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import { createServer } from "node:tls"
import { authority } from "../support/authority.ts"
import { asked, get, ok } from "../support/wire/messages.ts"
import { answers, playing, relay, scripted, type ScriptedBackend } from "../support/relay.ts"
import { until } from "../support/until.ts"

/** The end of credentials names the user; a handshake of two rounds has to be on one connection. */
const proof = /^(?:Proxy-)?Authorization: \S+ (first|proof-of-(\w+)|(\w+))/im

/** A backend that says for which user it takes the client, on which of its connections. */
function knowing(challenge = ""): Parameters<typeof scripted>[1] {
  return async (wire, nth) => {
    let user = "anonymous"
    let challenged = false
    await answers(({ fields }) => {
      const said = proof.exec(fields.map(([name, value]) => `${name}: ${value}`).join("\n"))
      if (said?.[1] === "first") {
        challenged = true
        return "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM round-two\r\nContent-Length: 0\r\n\r\n"
      }
      if (said?.[2] !== undefined && challenged) user = said[2]
      if (said?.[3] !== undefined) user = said[3]
      return ok(`${user} on ${nth}`, challenge)
    })(wire, nth)
  }
}

const identify = (scheme: string, user = "ann", name = "Authorization"): string =>
  get("/", `${name}: ${scheme} ${user}\r\n`)

async function knowingBackend(t: TestContext, challenge = ""): Promise<ScriptedBackend> {
  return scripted(t, knowing(challenge))
}

for (const [name, scheme] of [
  ["Authorization", "NTLM"],
  ["authorization", "ntlm"],
  ["AUTHORIZATION", "Negotiate"],
  ["Authorization", "nego2"],
  ["Authorization", "Kerberos"],
  ["Proxy-Authorization", "NTLM"],
] as const) {
  test(`a client that sent "${name}: ${scheme}" on a connection has it to itself until it goes`, async (t) => {
    const backend = await knowingBackend(t)
    const { client } = await relay(t, [backend])
    const [ann, ben] = [await client(), await client()]
    // The connection has carried others' requests before.
    assert.deepEqual(await asked(ben, get()), [200, "anonymous on 0"])
    assert.deepEqual(await asked(ann, identify(scheme, "ann", name)), [200, "ann on 0"])
    assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
    assert.deepEqual(await asked(ann, get()), [200, "ann on 0"])
    assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
    ann.socket.end()
    await until("her connection is closed", () => backend.wires[0]!.gone)
    assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
  })
}

for (const challenge of [
  "WWW-Authenticate: NTLM\r\n",
  "www-authenticate: negotiate\r\n",
  'WWW-Authenticate: Basic realm="a, b", Negotiate\r\n',
  "WWW-Authenticate: Basic\r\nWWW-Authenticate: NTLM\r\n",
  "Proxy-Authenticate: NTLM\r\n",
]) {
  test(`a connection on which ${JSON.stringify(challenge)} was said is its client's alone`, async (t) => {
    const backend = await knowingBackend(t, challenge)
    const { client } = await relay(t, [backend])
    const [ann, ben] = [await client(), await client()]
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await asked(ann, get()), [200, "anonymous on 0"])
      assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
    }
  })
}

for (const field of [
  "Authorization: Bearer NTLM",
  "Authorization: Basic bnRsbQ==",
  "X-Authorization: NTLM x",
]) {
  test(`${field} is for one request: the connection stays free for all clients`, async (t) => {
    const backend = await scripted(
      t,
      answers(() => ok("", 'WWW-Authenticate: Digest realm="intlm"\r\n')),
    )
    const { client } = await relay(t, [backend])
    const [ann, ben] = [await client(), await client()]
    for (const wire of [ann, ben, ann]) await asked(wire, get("/", `${field}\r\n`))
    assert.equal(backend.wires.length, 1)
  })
}

test("a handshake of several rounds stays with one backend on one connection, whatever the policy", async (t) => {
  const backends = [await knowingBackend(t), await knowingBackend(t), await knowingBackend(t)]
  const { client, counters } = await relay(t, backends)
  const ann = await client()
  assert.deepEqual(await asked(ann, identify("NTLM", "first")), [401, ""])
  assert.deepEqual(await asked(ann, identify("NTLM", "proof-of-ann")), [200, "ann on 0"])
  for (let i = 0; i < 4; i++) assert.deepEqual(await asked(ann, get()), [200, "ann on 0"])
  assert.deepEqual(
    [0, 1, 2].map((slot) => counters.requests(slot)).toSorted((a, b) => a - b),
    [0, 0, 6],
  )
})

test("once its connection has been closed by the backend, a client is unknown there again", async (t) => {
  const backend = await knowingBackend(t)
  const { client } = await relay(t, [backend])
  const [ann, ben] = [await client(), await client()]
  assert.deepEqual(await asked(ann, identify("NTLM")), [200, "ann on 0"])
  backend.wires[0]!.socket.destroy()
  await until("it is closed", () => backend.wires[0]!.gone)
  assert.deepEqual(await asked(ann, get()), [200, "anonymous on 1"])
  // Nothing was proved on this one.
  assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
})

for (const how of ["destroy", "resetAndDestroy"] as const) {
  test(`a request that crosses its own connection's end (${how}) goes out again unauthenticated, on a fresh one`, async (t) => {
    const backend = await knowingBackend(t)
    const { client } = await relay(t, [backend])
    const [ann, ben] = [await client(), await client()]
    await asked(ann, identify("NTLM"))
    assert.deepEqual(await asked(ben, identify("NTLM", "ben")), [200, "ben on 1"])
    ann.send(get())
    backend.wires[0]!.socket[how]()
    assert.equal((await ann.response()).body.toString(), "anonymous on 2")
  })
}

test("credentials that go out again after a dead connection belong to the fresh one", async (t) => {
  const backend = await knowingBackend(t)
  const { client } = await relay(t, [backend])
  const [ann, ben] = [await client(), await client()]
  await asked(ben, get())
  ann.send(identify("Negotiate"))
  backend.wires[0]!.socket.destroy()
  assert.equal((await ann.response()).body.toString(), "ann on 1")
  assert.deepEqual(await asked(ben, get()), [200, "anonymous on 2"])
  assert.deepEqual(await asked(ann, get()), [200, "ann on 1"])
})

test("a response that is cut ends the connection with what was proved on it", async (t) => {
  const backend = await scripted(t, async (wire, nth) => {
    if (nth > 0) return knowing()(wire, nth)
    await wire.request()
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    wire.socket.end()
  })
  const { client } = await relay(t, [backend])
  const ann = await client()
  ann.send(identify("NTLM"))
  await ann.closed
  assert.deepEqual(await asked(await client(), get()), [200, "anonymous on 1"])
})

test("a client of HTTP/1.0 takes its connection with it after its one response", async (t) => {
  const backend = await knowingBackend(t)
  const { client, ask } = await relay(t, [backend])
  assert.match(await ask("GET / HTTP/1.0\r\nAuthorization: NTLM ann\r\n\r\n"), /ann on 0$/)
  await until("it is closed", () => backend.wires[0]!.gone)
  assert.deepEqual(await asked(await client(), get()), [200, "anonymous on 1"])
})

test("where others are written together, credentials travel alone", async (t) => {
  const backend = await knowingBackend(t)
  const { client } = await relay(t, [backend], { limits: { pipelinedMax: 8 } })
  const wires = await Promise.all(Array.from({ length: 4 }, client))
  for (const wire of wires) await asked(wire, get())
  for (const [i, wire] of wires.entries()) wire.send(i === 1 ? identify("NTLM") : get())
  const said = await Promise.all(wires.map(async (wire) => (await wire.response()).body.toString()))
  assert.deepEqual(
    said.map((text) => text.split(" ")[0]),
    ["anonymous", "ann", "anonymous", "anonymous"],
  )
  for (const [i, wire] of wires.entries())
    assert.match((await asked(wire, get()))[1], i === 1 ? /^ann/ : /^anonymous/)
})

test("a challenge among responses that were asked for together closes their connection behind the last", async (t) => {
  const backend = await knowingBackend(t, "WWW-Authenticate: Negotiate\r\n")
  const { client } = await relay(t, [backend], { limits: { pipelinedMax: 8 } })
  const wires = await Promise.all(Array.from({ length: 3 }, client))
  for (const wire of wires) wire.send(get())
  const said = await Promise.all(wires.map(async (wire) => wire.response()))
  assert.deepEqual(
    said.map(({ status }) => status),
    [200, 200, 200],
  )
  for (const wire of wires) assert.match((await asked(wire, get()))[1], /^anonymous/)
})

test("an idle connection of one client gives way to a request of another where there is no room for both", async (t) => {
  const backend = await knowingBackend(t)
  const { client } = await relay(t, [backend], { limits: { connectionsPerBackendMax: 1 } })
  const [ann, ben] = [await client(), await client()]
  assert.deepEqual(await asked(ann, identify("NTLM")), [200, "ann on 0"])
  assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
  assert.deepEqual(await asked(ann, get()), [200, "anonymous on 1"])
  assert.ok(backend.wires[0]!.gone)
})

test("more clients than idle connections that are kept can all authenticate themselves", async (t) => {
  const backend = await knowingBackend(t)
  const { client } = await relay(t, [backend], { limits: { idlePerBackendMax: 0 } })
  const wires = await Promise.all(Array.from({ length: 3 }, client))
  for (const [i, wire] of wires.entries()) await asked(wire, identify("NTLM", `u${i}`))
  for (const [i, wire] of wires.entries()) assert.deepEqual(await asked(wire, get()), [200, `u${i} on ${i}`])
})

test("a backend that may be used no more is left, and what was proved to it counts nowhere else", async (t) => {
  const backends = [await knowingBackend(t), await knowingBackend(t)]
  const { client, apply, members } = await relay(t, backends)
  apply([members[0]!])
  const ann = await client()
  assert.deepEqual(await asked(ann, identify("NTLM")), [200, "ann on 0"])
  apply([members[1]!])
  assert.deepEqual(await asked(ann, get()), [200, "anonymous on 0"])
  await until("the first is left", () => backends[0]!.wires[0]!.gone)
  apply(members)
  for (let i = 0; i < 4; i++) assert.match((await asked(ann, get()))[1], /^anonymous/)
})

test("an upgrade leaves on the client's own connection", async (t) => {
  const backend = await scripted(t, async (wire) => {
    await wire.request()
    wire.send(ok("in"))
    await wire.request()
    wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhello")
  })
  const { client } = await relay(t, [backend])
  const ann = await client()
  await asked(ann, identify("NTLM"))
  ann.send(get("/", "Connection: upgrade\r\nUpgrade: chat\r\n"))
  await until("the tunnel is open", () => ann.text.endsWith("hello"))
  assert.equal(backend.wires.length, 1)
})

test("within TLS it is the same", async (t) => {
  const trusted = authority(t)
  const server = createServer(trusted.issue(["IP:127.0.0.1"]))
  await playing(t, server, "secureConnection", knowing(), { host: "127.0.0.1", port: 0 })
  const { port } = server.address() as AddressInfo
  const tls = { ca: trusted.ca, verify: true, serverName: undefined, cert: undefined, key: undefined }
  const { client } = await relay(t, [{ host: "127.0.0.1", port }], {
    member: { scheme: "https" },
    upstream: { tls },
  })
  const [ann, ben] = [await client(), await client()]
  assert.deepEqual(await asked(ann, identify("Negotiate")), [200, "ann on 0"])
  assert.deepEqual(await asked(ben, get()), [200, "anonymous on 1"])
  assert.deepEqual(await asked(ann, get()), [200, "ann on 0"])
})
