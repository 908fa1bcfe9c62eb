/** TLS in the whole balancer: threads that share ports and sessions, certificates that are renewed under way. */
import assert from "node:assert/strict"
import { once } from "node:events"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer as createHttps } from "node:https"
import { join } from "node:path"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls"
import { type Balancer, startBalancer, StartError } from "../../src/balancer.ts"
import { explainStartError } from "../../src/cli/start-error.ts"
import { loadConfig } from "../../src/config/config-file.ts"
import { policies } from "../../src/policies/index.ts"
import { type CertificateFolder, certificateFolder, noOpenssl } from "../support/certificates.ts"
import { linebacker } from "../support/processes.ts"
import { until } from "../support/until.ts"
import { freePorts } from "../support/free-ports.ts"

const skip = noOpenssl

const settings = `workers: 2
listen: 127.0.0.1:0
registration: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
timeouts: {firstMember: 0s}
`
const tlsSettings = `tls:
  listen: 127.0.0.1:0
  certificates: [{cert: a.pem, key: a.key.pem}]
`

async function running(
  t: TestContext,
  folder: CertificateFolder,
  text: string,
  log: string[] = [],
): Promise<Balancer> {
  writeFileSync(folder.file("lb.yaml"), text)
  const config = loadConfig(folder.file("lb.yaml"), { policies, env: {} })
  assert.ok(config.ok)
  const balancer = await startBalancer(config.value, { log: (line) => log.push(line) })
  t.after(() => balancer.close())
  return balancer
}

interface Answered {
  readonly status: number
  readonly subject: string
  readonly reused: boolean
  readonly session: Buffer | undefined
  /** What the server alone can read of the session; of TLS 1.2 only. */
  readonly ticket: Buffer | undefined
}

/** One request on a connection of its own. */
function ask(port: number, options: ConnectionOptions = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options })
    let session: Buffer | undefined
    let ticket: Buffer | undefined
    let text = ""
    let subject = ""
    let reused = false
    socket.on("secureConnect", () => {
      reused = socket.isSessionReused()
      // A resumed session shows none.
      if (!reused) subject = String(socket.getPeerCertificate().subject["CN"])
    })
    socket.on("session", (made: Buffer) => (session = made))
    socket.on("data", () => (ticket ??= socket.getTLSTicket()))
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")))
    socket.on("error", reject)
    socket.on("close", () => {
      resolve({ status: Number(text.slice(9, 12)), subject, reused, session, ticket })
    })
    socket.write("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
  })
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a ticket of one thread is taken by the other (${maxVersion})`, { skip }, async (t) => {
    const folder = certificateFolder(t)
    folder.make("a", ["a.example"])
    const balancer = await running(t, folder, settings + tlsSettings)
    const { port } = balancer.listeners.tls!
    // The system spreads connections over the threads: with a key in each, half of these would not be resumed.
    const { session } = await ask(port, { maxVersion, servername: "a.example" })
    assert.ok(session !== undefined)
    for (let i = 0; i < 40; i++) {
      const { reused, status } = await ask(port, { maxVersion, servername: "a.example", session })
      assert.deepEqual([reused, status], [true, 503], `connection ${i}`)
    }
    await until("all are closed", () => balancer.state().totals.connections === 0)
    assert.deepEqual(balancer.state().totals.errors, { no_backend: 41 })
  })
}

test(
  "authorities of backends that are replaced are trusted by checks and by all threads, without a restart",
  { skip },
  async (t) => {
    const folder = certificateFolder(t)
    const own = folder.make("backend", ["b.example"])
    folder.make("ca", ["other.example"])
    const backend = createHttps(own, (_request, response) => response.end("here")).listen(0, "127.0.0.1")
    await once(backend, "listening")
    t.after(() => backend.close())
    const balancer = await running(
      t,
      folder,
      `${settings}checks: {interval: 100ms}\nupstream: {tls: {ca: ca.pem, serverName: b.example}}\n`,
    )
    const { registration, traffic } = balancer.listeners
    await fetch(`http://127.0.0.1:${registration.port}/v1/backends/b`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        address: `127.0.0.1:${(backend.address() as AddressInfo).port}`,
        scheme: "https",
        capacity: { compute: 10, storage: 10 },
      }),
    })
    const statuses = (): Promise<number[]> =>
      Promise.all(
        Array.from({ length: 12 }, async () => {
          const { status } = await fetch(`http://127.0.0.1:${traffic.port}/`, {
            headers: { Connection: "close" },
          })
          return status
        }),
      )
    assert.deepEqual([...new Set(await statuses())], [503], "its certificate is from an unknown authority")
    writeFileSync(folder.file("ca.pem"), own.cert)
    await until("all requests are served", async () => [...new Set(await statuses())].join() === "200")
  },
)

test("the key of tickets is rotated under way, and sessions go on over it", { skip }, async (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"])
  const balancer = await running(t, folder, `${settings}${tlsSettings}  ticketRotation: 4s\n`)
  const { port } = balancer.listeners.tls!
  // A ticket begins with the name of its key.
  const take = async () => {
    const { session, ticket } = await ask(port, { maxVersion: "TLSv1.2" })
    assert.ok(session !== undefined && ticket !== undefined)
    return { session, key: ticket.toString("hex", 0, 16) }
  }
  let before = await take()
  let after = await take()
  for (let asked = 0; asked < 500 && after.key === before.key; asked++) {
    before = after
    await new Promise((resolve) => setTimeout(resolve, 50))
    after = await take()
  }
  assert.notEqual(after.key, before.key, "the key was not rotated")
  for (const { session } of [before, after]) {
    assert.equal((await ask(port, { maxVersion: "TLSv1.2", session })).reused, true)
  }
})

test(
  "certificates that are replaced are served to new connections by all threads, without a restart",
  { skip },
  async (t) => {
    const folder = certificateFolder(t)
    folder.make("a", ["a.example"])
    const log: string[] = []
    const balancer = await running(t, folder, settings + tlsSettings, log)
    const { port } = balancer.listeners.tls!
    assert.equal((await ask(port)).subject, "a.example")
    const subjects = async (): Promise<Set<string>> =>
      new Set(await Promise.all(Array.from({ length: 12 }, async () => (await ask(port)).subject)))

    folder.make("a", ["renewed.example"])
    await until("it is served by all", async () => [...(await subjects())].join() === "renewed.example")
    assert.match(log.join("\n"), /tls\.certificates\[0\]: renewed, for renewed\.example, /)

    writeFileSync(folder.file("a.pem"), "nonsense")
    await until("it is said", () => log.some((line) => line.includes("stays in use")))
    assert.deepEqual([...(await subjects())], ["renewed.example"])
  },
)

test("a thread that replaces another has the certificates and the ticket key of now", { skip }, async (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"])
  const workers: { terminate(): Promise<number> }[] = []
  const onWorker = (worker: (typeof workers)[number]): void => void workers.push(worker)
  process.on("worker", onWorker)
  t.after(() => void process.off("worker", onWorker))
  const balancer = await running(t, folder, settings + tlsSettings)
  const { port } = balancer.listeners.tls!
  folder.make("a", ["renewed.example"])
  balancer.reloadCertificates()
  await until("it is served", async () => (await ask(port)).subject === "renewed.example")
  const { session } = await ask(port, { maxVersion: "TLSv1.2" })
  await Promise.all(workers.slice(0, 2).map((worker) => worker.terminate()))
  await until("there are others", () => workers.length === 4 && balancer.state().workers === 2)
  await until("they listen", async () =>
    ask(port).then(
      () => true,
      () => false,
    ),
  )
  for (let i = 0; i < 10; i++) {
    assert.equal((await ask(port, { maxVersion: "TLSv1.2", session: session! })).reused, true)
    assert.equal((await ask(port)).subject, "renewed.example")
  }
})

test("both ports are looked at before any thread listens, and the busy one is named", { skip }, async (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"])
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const text = settings + tlsSettings.replace("127.0.0.1:0", `127.0.0.1:${port}`)
  await assert.rejects(running(t, folder, text), (error) => {
    assert.ok(error instanceof StartError)
    assert.deepEqual([error.listener, error.code], ["tls", "EADDRINUSE"])
    assert.equal(
      explainStartError(error),
      `port ${port} is busy: something listens on 127.0.0.1:${port} already, where the tls listener should be; ` +
        "choose another with tls.listen in the configuration",
    )
    return true
  })
})

test("the listeners say where TLS is spoken, and where it is not", { skip }, async (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"])
  const balancer = await running(t, folder, settings + tlsSettings)
  const { traffic, tls } = balancer.listeners
  assert.ok(tls !== undefined && tls.port > 0 && tls.port !== traffic.port)
  assert.equal(balancer.state().listeners.tls, `127.0.0.1:${tls.port}`)
  const plain = await running(t, folder, settings)
  assert.equal(plain.listeners.tls, undefined)
  assert.ok(!("tls" in plain.state().listeners))
})

test(
  "serve says where TLS is spoken and reads certificates again on SIGHUP; validate checks them",
  { skip },
  async (t) => {
    const folder = certificateFolder(t)
    folder.make("a", ["a.example"])
    const [port] = await freePorts(1)
    writeFileSync(folder.file("lb.yaml"), settings + tlsSettings.replace("127.0.0.1:0", `127.0.0.1:${port}`))
    const checked = linebacker(t, "validate", folder.file("lb.yaml"))
    assert.equal(await checked.ended, 0, checked.said())

    const served = linebacker(t, "serve", "-c", folder.file("lb.yaml"))
    await until(served.said, () => served.said().includes(`TLS on 127.0.0.1:${port}, `))
    assert.equal((await ask(port!)).subject, "a.example")
    writeFileSync(folder.file("a.key.pem"), "nonsense")
    served.process.kill("SIGHUP")
    await until(served.said, () => served.said().includes("tls.certificates[0].key: expected a private key"))
    await until(served.said, () =>
      served
        .said()
        .includes(
          "SIGHUP: certificates were read again: 0 renewed, 1 refused, 0 as before; the configuration",
        ),
    )
    folder.make("a", ["renewed.example"])
    served.process.kill("SIGHUP")
    await until(served.said, async () => (await ask(port!)).subject === "renewed.example")
    served.process.kill("SIGTERM")
    assert.equal(await served.ended, 0)

    writeFileSync(folder.file("a.key.pem"), "nonsense")
    const refused = linebacker(t, "validate", folder.file("lb.yaml"))
    assert.equal(await refused.ended, 1)
    assert.match(
      refused.said(),
      /lb\.yaml:8:37: tls\.certificates\[0\]\.key: expected a private key in PEM form in the file "a\.key\.pem"/,
    )
  },
)

test("the examples of docs/tls.md are valid, together and each by itself", { skip }, (t) => {
  const folder = certificateFolder(t)
  mkdirSync(folder.file("certs"))
  for (const name of ["example", "shop"]) folder.make(`certs/${name}`, [`${name}.example`])
  const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "tls.md"), "utf8")
  const examples = [...document.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text]) => text!)
  assert.equal(examples.length, 3)
  for (const text of [...examples, examples.join("")]) {
    writeFileSync(folder.file("lb.yaml"), text)
    const config = loadConfig(folder.file("lb.yaml"), { policies, env: {} })
    assert.deepEqual(config.ok ? [] : config.error, [], text)
  }
})
