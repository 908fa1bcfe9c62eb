import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { createServer } from "node:net"
import { createServer as createHttpServer } from "node:http"
import { test, type TestContext } from "node:test"
import type { AddressInfo } from "node:net"
import {
  type BalancerEvent,
  type BalancerSettings,
  createBalancer,
  SettingsError,
  StartError,
} from "./index.ts"
import { readConfig } from "./config/config-file.ts"
import { policies } from "./policies/index.ts"
import { DnsServer } from "../test/support/dns/dns-server.ts"
import { patienceMs, until } from "../test/support/until.ts"

const quick: BalancerSettings = {
  listen: "127.0.0.1:0",
  workers: 1,
  timeouts: { unready: "0s", drain: "1s" },
}

test("two balancers in one process serve side by side, each at ports of its own", async () => {
  await using first = await createBalancer(quick)
  await using second = await createBalancer(quick)
  const ports = [first, second].flatMap(({ listeners: { traffic, registration, admin } }) => [
    traffic.port,
    registration.port,
    admin.port,
  ])
  assert.equal(new Set(ports).size, 6)
  assert.ok(!ports.includes(0))
  assert.equal(first.listeners.tls, undefined)
  await first.close()
  assert.equal((await fetch(`http://127.0.0.1:${second.listeners.admin.port}/healthz`)).status, 200)
})

test("mistakes in the settings are those that the file is told, each with its path", async () => {
  const wrong = {
    listen: "127.0.0.1:99999",
    policy: "rond-robin",
    timeouts: { queue: 5 },
    limits: { quueMax: 1 },
  }
  const error = await rejection(createBalancer(wrong as unknown as BalancerSettings))
  assert.ok(error instanceof SettingsError)
  assert.equal(error.name, "SettingsError")
  const read = readConfig({ file: "f", text: JSON.stringify(wrong), policies, env: {} })
  assert.ok(!read.ok)
  assert.deepEqual(
    error.issues.toSorted((a, b) => a.path.localeCompare(b.path)),
    read.error
      .map(({ path, message, found }) => {
        return { path, message: found === undefined ? message : `${message}, found ${found}` }
      })
      .toSorted((a, b) => a.path.localeCompare(b.path)),
  )
  assert.equal(error.issues.length, 4)
  for (const { path, message } of error.issues) assert.ok(error.message.includes(`${path}: ${message}`))
})

test("settings that are no settings at all are refused", async () => {
  for (const wrong of [[], "listen", 5, { registration: 5 }, { admin: [] }]) {
    const error = await rejection(createBalancer(wrong as unknown as BalancerSettings))
    assert.ok(error instanceof SettingsError, JSON.stringify(wrong))
  }
})

test("each thing that only a program can give is checked as the settings of the file are", async () => {
  for (const [wrong, path, message] of [
    [null, "", "expected a mapping, found nothing"],
    [{ log: "stderr" }, "log", 'expected a function, found "stderr"'],
    [{ log: null }, "log", "expected a function, found nothing"],
    [{ policies: null }, "policies", "expected the URLs of modules by name, found nothing"],
    [{ backends: [undefined] }, "backends[0]", /^expected an address .*, found nothing$/],
    [{ policies: { mine: "file:///a%zz.js" } }, "policies.mine", /^"file:.*a%zz.js" cannot be loaded: /],
  ] as const) {
    const error = await rejection(createBalancer(wrong as unknown as BalancerSettings))
    assert.ok(error instanceof SettingsError, String(error))
    assert.deepEqual(error.issues.length, 1, String(error))
    assert.equal(error.issues[0]!.path, path)
    if (typeof message === "string") assert.equal(error.issues[0]!.message, message)
    else assert.match(error.issues[0]!.message, message)
  }
})

test("a port that is taken is told by which listener wanted it, and nothing stays open", async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const listen = `127.0.0.1:${port}`
  const before = process.getActiveResourcesInfo().filter((name) => /TCPServer|Worker|MessagePort/.test(name))
  for (const [listener, settings] of [
    ["traffic", { listen }],
    ["registration", { registration: { listen } }],
    ["admin", { admin: { listen } }],
  ] as const) {
    const error = await rejection(createBalancer({ ...quick, ...settings }))
    assert.ok(error instanceof StartError)
    const { code, endpoint } = error
    assert.deepEqual([error.listener, code, endpoint], [listener, "EADDRINUSE", { host: "127.0.0.1", port }])
    assert.match(error.message, new RegExp(`the ${listener} listener cannot listen on ${listen}`))
  }
  await until("what was open is closed", () => {
    const now = process.getActiveResourcesInfo().filter((name) => /TCPServer|Worker|MessagePort/.test(name))
    return now.length <= before.length
  })
})

test("a program hears which backend joins and that the balancer stops, and closing twice is closing once", async (t) => {
  const backend = await backendOf(t)
  const balancer = await createBalancer(quick)
  const events: BalancerEvent[] = []
  const offline = balancer.on("event", (event) => events.push(event))
  let stopping = 0
  balancer.on("stopping", () => stopping++)
  await fetch(`http://127.0.0.1:${balancer.listeners.registration.port}/v1/backends/b`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ address: `127.0.0.1:${backend}`, capacity: { compute: 1, storage: 1 } }),
  })
  await until("the backend serves", () => balancer.state().totals.eligible === 1)
  await until("that is told", () => events.length >= 2)
  await Promise.all([balancer.close(), balancer.close(), balancer[Symbol.asyncDispose]()])
  await balancer.close()
  assert.equal(stopping, 1)
  const told = events.map((event) =>
    event.kind === "membership" ? `${event.id} ${event.state}` : event.kind,
  )
  assert.deepEqual(told, ["b probing", "b serving", "stopping", "stopped"])
  offline()
})

test("backends that the settings name are served at once, and one that is down comes back when it listens", async (t) => {
  const [up, down] = [await backendOf(t, "up"), await freePort()]
  await using balancer = await createBalancer({
    ...quick,
    backends: [`127.0.0.1:${up}`, { id: "late", address: `http://127.0.0.1:${down}`, weight: 2, zone: "a" }],
    checks: { interval: "50ms" },
  })
  const { traffic, registration } = balancer.listeners
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${traffic.port}/`)).text()
  assert.equal(await ask(), "up")
  const views = (): unknown[] =>
    balancer.state().backends.map(({ id, address, weight, zone, lease }) => {
      return [id, address, weight, zone, lease.keptBy, lease.expiresInMs]
    })
  assert.deepEqual(views(), [
    [`127.0.0.1:${up}`, `127.0.0.1:${up}`, 1, undefined, "configuration", undefined],
    ["late", `127.0.0.1:${down}`, 2, "a", "configuration", undefined],
  ])
  const late = createHttpServer((_request, response) => response.end("late"))
  await new Promise<void>((resolve) => late.listen(down, "127.0.0.1", resolve))
  t.after(() => late.close())
  await until("both serve", () => balancer.state().totals.eligible === 2)
  await until("both are asked", async () => (await ask()) === "late")
  late.close()
  late.closeAllConnections()
  await until("it is out", () => balancer.state().backends[1]!.state === "ejected")
  const announced = await fetch(`http://127.0.0.1:${registration.port}/v1/backends/late`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ address: ":1", capacity: { compute: 1, storage: 1 } }),
  })
  const { error } = (await announced.json()) as { readonly error: { readonly code: string } }
  assert.deepEqual([announced.status, error.code], [409, "configured_backend"])
})

test("a policy of the program's own places the requests, from a module that every thread loads", async (t) => {
  const ports = [await backendOf(t, "a"), await backendOf(t, "b")]
  const url = moduleOf(
    t,
    "picks-last.ts",
    `import type { PolicyEntry, Policy } from "linebacker/policies"
    class Last implements Policy {
      readonly name = "last"
      #members: Parameters<Policy["rebuild"]>[0] = []
      rebuild(members: Parameters<Policy["rebuild"]>[0]) { this.#members = members }
      pick(request: Parameters<Policy["pick"]>[0]) { return this.#members.findLast((member) => request.admits(member)) }
    }
    export const policy: Partial<PolicyEntry> = { make: () => new Last() }`,
  )
  const settings = {
    ...quick,
    workers: 2,
    backends: ports.map((port) => `127.0.0.1:${port}`),
    policies: { "picks-last": url },
    policy: "picks-last",
  }
  await using balancer = await createBalancer(settings)
  await using twin = await createBalancer(settings)
  assert.equal(twin.state().policy, "picks-last", "another balancer may have the same")
  await until("both serve", () => balancer.state().totals.eligible === 2)
  const { port } = balancer.listeners.traffic
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text()
  const round = (): Promise<string[]> => Promise.all(Array.from({ length: 20 }, ask))
  await until("all threads know both", async () => (await round()).every((name) => name === "b"))
  assert.ok(balancer.changePolicy({ name: "round-robin" }).ok)
  await until("another policy chooses", async () => (await round()).includes("a"))
  assert.ok(balancer.changePolicy({ name: "picks-last" }).ok)
  await until("this one chooses again", async () => (await round()).every((name) => name === "b"))
})

test("a policy of the program's own that fails costs no request, and is told as a failure", async (t) => {
  const port = await backendOf(t, "ok")
  const fail = `() => { throw new Error("not today") }`
  const code = `const fail = ${fail}; export default { make: () => ({ name: "f", rebuild: fail, pick: fail, learn: fail }) }`
  await using balancer = await createBalancer({
    ...quick,
    backends: [`127.0.0.1:${port}`],
    policies: { fails: moduleOf(t, "fails.mjs", code) },
    policy: "fails",
  })
  const failures: string[] = []
  balancer.on("failure", ({ where, error }) => failures.push(`${where}: ${String(error)}`))
  const response = await fetch(`http://127.0.0.1:${balancer.listeners.traffic.port}/`)
  assert.equal(await response.text(), "ok")
  await until("it is told", () => failures.length > 0)
  assert.match(failures[0]!, /the policy "fails": .*failed in (rebuild|learn|pick): line 1:.*not today/)
})

test("what cannot be a policy of the program's own is refused, with its name and the reason", async (t) => {
  const empty = moduleOf(t, "empty.mjs", "export const a = 1")
  const good = moduleOf(
    t,
    "good.mjs",
    "export default { make: () => ({ name: 'g', rebuild() {}, pick() {} }) }",
  )
  const made = { make: () => ({ name: "x", rebuild: () => {}, pick: () => undefined }) }
  const policies = {
    made: made as unknown as URL,
    relative: "./mine.ts",
    missing: new URL("missing.mjs", empty),
    empty,
    price: good.href,
    "Not A Name": empty,
  }
  const error = await rejection(createBalancer({ ...quick, policies }))
  assert.ok(error instanceof SettingsError)
  const messages = Object.fromEntries(error.issues.map(({ path, message }) => [path, message]))
  assert.match(
    messages["policies.made"]!,
    /the URL of a module.*to which no function can be sent, found a mapping/,
  )
  assert.match(messages["policies.relative"]!, /the URL of a module.*found ".\/mine.ts"/)
  assert.match(messages["policies.missing"]!, /cannot be loaded/)
  assert.match(messages["policies.empty"]!, /exports no policy/)
  assert.match(messages["policies.price"]!, /a policy of Linebacker has this name/)
  assert.match(messages["policies.Not A Name"]!, /expected a name/)
  const whole = await rejection(createBalancer({ ...quick, policies: [] as never }))
  assert.match(String(whole), /policies: expected the URLs of modules by name, found an empty list/)
})

test("a pool that lists its backends serves its routes with them, each by a check of its own", async (t) => {
  const asked: string[] = []
  const api = createHttpServer(({ url = "" }, response) => {
    asked.push(url)
    response.writeHead(url === "/up" ? 204 : 200).end("api")
  })
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve))
  t.after(() => api.close())
  const { port } = api.address() as AddressInfo
  await using balancer = await createBalancer({
    ...quick,
    pools: [{ name: "api", backends: [{ address: `:${port}`, check: { path: "/up", statuses: [204] } }] }],
    routes: [{ path: "/api/**", pool: "api" }],
    backends: [`:${await backendOf(t, "others")}`],
  })
  await until("both serve", () => balancer.state().totals.eligible === 2)
  const { traffic } = balancer.listeners
  const ask = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${traffic.port}${path}`)).text()
  for (let i = 0; i < 5; i++) assert.equal(await ask("/api/users"), "api")
  assert.equal(asked[0], "/up")
})

test("a list in a file is followed while the balancer runs, and a wrong one changes nothing", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const [one, two] = [await backendOf(t, "one"), await backendOf(t, "two")]
  const file = join(folder, "a.yaml")
  writeFileSync(file, `- {id: one, address: ":${one}"}\n`)
  const lines: string[] = []
  await using balancer = await createBalancer({
    ...quick,
    discovery: { files: [join(folder, "*.yaml")] },
    log: (line) => lines.push(line),
  })
  const ids = (): string[] => balancer.state().backends.map(({ id }) => id)
  assert.deepEqual(ids(), ["one"])
  writeFileSync(join(folder, "b.yaml"), `[{id: two, address: ":${two}"}]`)
  await until("the other file is found", () => ids().length === 2)
  writeFileSync(file, `- {id: one, address: ":${one}", wieght: 2}\n`)
  await until("the mistake is told", () => balancer.state().sources[1]!.problems.length > 0)
  assert.deepEqual(ids(), ["one", "two"])
  assert.match(
    lines.join("\n"),
    /a\.yaml:1:\d+: \[0\]\.wieght: unknown key "wieght"; did you mean "weight"\?/,
  )
  assert.match(balancer.state().verdict.words, /^A source of backends has a problem: .*a\.yaml:1:/)
  const { traffic } = balancer.listeners
  const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${traffic.port}/`)).text()
  for (const name of ["one", "two"]) await until(`${name} is asked`, async () => (await ask()) === name)
  rmSync(join(folder, "b.yaml"))
  await until("it has left", () => ids().length === 1)
})

test("the addresses of a name are backends, and stay while its name server fails", async (t) => {
  const port = await backendOf(t, "found")
  const dns = await DnsServer.start(t)
  dns.zone["A app.internal"] = { ttl: 1, records: ["127.0.0.1"] }
  await using balancer = await createBalancer({
    ...quick,
    discovery: { dns: [{ name: "app.internal", port, server: dns.address }] },
  })
  const { traffic } = balancer.listeners
  assert.equal(await (await fetch(`http://127.0.0.1:${traffic.port}/`)).text(), "found")
  const source = (): unknown => balancer.state().sources[1]
  const found = { kind: "dns", name: "app.internal (A)", backends: 1 }
  assert.deepEqual(source(), { ...found, problems: [] })
  delete dns.zone["A app.internal"]
  const problem = "the name app.internal (A) cannot be resolved (ENOTFOUND); what it had found stays"
  await until("that is told", () => balancer.state().sources[1]!.problems[0] === problem)
  assert.deepEqual(source(), { ...found, problems: [problem] })
  assert.equal(balancer.state().totals.eligible, 1)
  dns.zone["A app.internal"] = { ttl: 1, records: ["127.0.0.1", "127.0.0.2"] }
  await until("both are there", () => balancer.state().backends.length === 2)
})

test("nothing is printed, no signal is heard, and the process ends by itself when the balancer is closed", () => {
  const code = `
    import { createBalancer } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)}
    const heard = () => process.eventNames().filter((name) => name !== "newListener").length
    const before = heard()
    const balancer = await createBalancer(${JSON.stringify(quick)})
    if (heard() !== before) throw new Error(process.eventNames().join())
    await balancer.close()`
  const run = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    encoding: "utf8",
    timeout: patienceMs,
  })
  assert.deepEqual([run.stdout, run.stderr, run.status], ["", "", 0])
})

test("what happens is told to the log that a program gives", async () => {
  const lines: string[] = []
  await (await createBalancer({ ...quick, log: (line) => lines.push(line) })).close()
  assert.match(lines.join("\n"), /memory: /)
})

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error,
  )
}

function moduleOf(t: TestContext, name: string, text: string): URL {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-library-"))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, name), text)
  return pathToFileURL(join(folder, name))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A backend that says its name; gives its port. */
async function backendOf(t: TestContext, name = "ok"): Promise<number> {
  const server = createHttpServer((_request, response) => response.end(name))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}
