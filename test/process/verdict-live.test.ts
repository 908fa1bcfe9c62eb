/**
 * What the page says on top in ten situations, each made with the real program. With SCREENSHOTS set to a folder a
 * picture of the page in each situation is put there.
 */
import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test, type TestContext } from "node:test"
import { chromium } from "playwright-core"
import type { StateView } from "../../src/control/state-view.ts"
import { linebacker, type Started } from "../support/processes.ts"
import { until } from "../support/until.ts"
import { freePortRow, freePorts } from "../support/free-ports.ts"

const folder = mkdtempSync(join(tmpdir(), "linebacker-verdict-"))
after(() => rmSync(folder, { recursive: true }))
const { SCREENSHOTS: pictures } = process.env

interface Running extends Started {
  readonly traffic: number
  readonly registration: number
  readonly admin: number
}

/** A balancer without backends. Its leases are short, so that a lost backend is soon a lost one. */
async function balancer(t: TestContext, settings = ""): Promise<Running> {
  const [traffic, registration, admin] = (await freePorts(3)) as [number, number, number]
  const file = join(folder, `${traffic}.yaml`)
  writeFileSync(
    file,
    `listen: 127.0.0.1:${traffic}
registration: {listen: "127.0.0.1:${registration}", ttl: 3s, suspect: 1500ms, renew: 500ms}
admin: {listen: "127.0.0.1:${admin}"}
checks: {kind: http, path: /healthz, interval: 300ms, fall: 2, rise: 1, timeout: 1s}
response: {backendHeader: true}
${settings}`,
  )
  const started = linebacker({ after: (clean) => t.after(clean) }, "serve", "-c", file)
  await until(
    () => `the balancer runs; it said: ${started.said()}`,
    () => started.said().includes("page on"),
  )
  return { ...started, traffic, registration, admin }
}

/** Demonstration backends, named a, b, c …, once all of them serve. */
async function backends(t: TestContext, { admin, registration }: Running, count: number): Promise<Started[]> {
  const first = await freePortRow(count)
  const started = Array.from({ length: count }, (_, i) =>
    linebacker(
      { after: (clean) => t.after(clean) },
      "backend",
      `--port=${first + i}`,
      `--id=${"abcdefgh"[i]}`,
      "--capacity=compute=20,storage=20",
      `--announce=http://127.0.0.1:${registration}`,
    ),
  )
  await until("all serve", async () => (await stateOf(admin)).totals.eligible === count)
  return started
}

async function stateOf(admin: number): Promise<StateView> {
  return (await (await fetch(`http://127.0.0.1:${admin}/api/v1/state`)).json()) as StateView
}

/** Waits until the verdict says so, and takes the page's picture where it is asked for. */
async function saysInTime(situation: string, admin: number, tone: string, words: RegExp): Promise<void> {
  let last: StateView["verdict"] | undefined
  await until(
    () => `${situation}: ${tone} ${words.source}; it says ${JSON.stringify(last)}`,
    async () => {
      last = (await stateOf(admin)).verdict
      return last.tone === tone && words.test(last.words)
    },
  )
  if (pictures !== undefined) await picture(admin, join(pictures, `${situation}.png`), words)
}

async function picture(admin: number, path: string, words: RegExp): Promise<void> {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
  try {
    const page = await browser.newPage({ viewport: { width: 1100, height: 620 } })
    await page.goto(`http://127.0.0.1:${admin}/`)
    await page.locator("#verdict-words", { hasText: words }).waitFor({ timeout: 120_000 })
    await page.screenshot({ path })
  } finally {
    await browser.close()
  }
}

/** Announces a backend of the test's own, which responds as `answer` says, and is never renewed again. */
async function announced(
  t: TestContext,
  { registration }: Running,
  id: string,
  capacity: number,
  answer: (path: string) => number,
): Promise<void> {
  const server = createServer((request, response) => {
    response.statusCode = answer(request.url ?? "/")
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const put = async (): Promise<void> => {
    await fetch(`http://127.0.0.1:${registration}/v1/backends/${id}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        address: `127.0.0.1:${port}`,
        capacity: { compute: capacity, storage: capacity },
      }),
    }).catch(() => undefined)
  }
  await put()
  const renewing = setInterval(() => void put(), 500)
  t.after(() => {
    clearInterval(renewing)
    server.close()
    server.closeAllConnections()
  })
}

/** Requests one after the other until the test is over. */
function trickle(t: TestContext, traffic: number, everyMs: number): void {
  const asking = setInterval(() => void fetch(`http://127.0.0.1:${traffic}/`).catch(() => undefined), everyMs)
  t.after(() => clearInterval(asking))
}

test("no backend yet, then healthy, then one leaves in order", async (t) => {
  const running = await balancer(t)
  await saysInTime("01-none-yet", running.admin, "empty", /^No backend yet$/)
  await backends(t, running, 3)
  trickle(t, running.traffic, 50)
  await saysInTime("02-healthy", running.admin, "good", /^Healthy: 3 of 3 backends take traffic$/)
  const { status } = await fetch(`http://127.0.0.1:${running.registration}/v1/backends/b/drain`, {
    method: "POST",
  })
  assert.equal(status, 200)
  await saysInTime(
    "03-one-drains",
    running.admin,
    "good",
    /^Healthy: 2 of 3 backends take traffic; b is draining/,
  )
})

test("a backend that is announced ten times as large responds with 500 to everything", async (t) => {
  const running = await balancer(t)
  await backends(t, running, 3)
  await announced(t, running, "faulty", 200, (path) => (path === "/healthz" ? 200 : 500))
  await until("it serves", async () => (await stateOf(running.admin)).totals.eligible === 4)
  trickle(t, running.traffic, 10)
  await saysInTime(
    "04-one-fails",
    running.admin,
    "bad",
    /^faulty fails (every request|\d+ % or more of its requests)/,
  )
  // Later it gets next to nothing, and the page does not forget why.
  await saysInTime("05-one-is-shunned", running.admin, "warn", /^faulty (fails|gets next to no traffic)/)
})

test("a backend fails its checks", async (t) => {
  const running = await balancer(t)
  await backends(t, running, 3)
  let isUp = true
  await announced(t, running, "sick", 20, (path) => (path === "/healthz" && !isUp ? 503 : 200))
  await until("it serves", async () => (await stateOf(running.admin)).totals.eligible === 4)
  isUp = false
  await saysInTime(
    "06-one-is-ejected",
    running.admin,
    "warn",
    /^3 of 4 backends take traffic: sick is ejected: .*503/,
  )
})

test("a third of the fleet dies, then the rest", async (t) => {
  const running = await balancer(t)
  const [first, ...rest] = await backends(t, running, 3)
  first!.process.kill("SIGKILL")
  await saysInTime(
    "07-a-third-has-gone",
    running.admin,
    "bad",
    /^1 of 3 backends has gone without leaving in order: a$/,
  )
  for (const { process } of rest) process.kill("SIGKILL")
  await saysInTime("08-none-is-left", running.admin, "bad", /^No backend is left: . and 2 more have gone$/)
})

test("requests wait and end in 504", async (t) => {
  const running = await balancer(
    t,
    `resources: [{name: compute, kind: space}]\ndemand: {default: {compute: 5}}\ntimeouts: {queue: 500ms}\n`,
  )
  const server = createServer((request, response) => {
    if (request.url === "/healthz") response.end()
    else setTimeout(() => response.end(), 3_000).unref()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => (server.close(), server.closeAllConnections()))
  const { port } = server.address() as AddressInfo
  const put = (): Promise<unknown> =>
    fetch(`http://127.0.0.1:${running.registration}/v1/backends/full`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ address: `127.0.0.1:${port}`, capacity: { compute: 10 } }),
    }).catch(() => undefined)
  await put()
  const renewing = setInterval(() => void put(), 500)
  t.after(() => clearInterval(renewing))
  await until("it serves", async () => (await stateOf(running.admin)).totals.eligible === 1)
  trickle(t, running.traffic, 50)
  await saysInTime(
    "09-requests-end-in-504",
    running.admin,
    "bad",
    /of requests get no response from a backend, most for queue_timeout$/,
  )
})

test("the balancer stops", async (t) => {
  const running = await balancer(t, "timeouts: {unready: 5s, drain: 5s}\n")
  await backends(t, running, 3)
  running.process.kill("SIGTERM")
  await saysInTime("10-it-stops", running.admin, "bad", /^The balancer is stopping/)
})
