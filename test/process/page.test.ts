import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { after, before, test } from "node:test"
import { type Browser, chromium, type Page } from "playwright-core"
import { resourcesDefault } from "../../src/core/resources.ts"
import { fail, ok } from "../../src/core/result.ts"
import { type AdminOptions, startAdmin } from "../../src/control/admin/admin-api.ts"
import type { ApiListener } from "../../src/control/api/kernel.ts"
import { policyViews } from "../../src/control/policy-desk.ts"
import type { PolicyChange } from "../../src/control/policy-view.ts"
import type { BackendView, RouteView, StateView } from "../../src/control/state-view.ts"
import { systemTimers } from "../../src/system.ts"
import { backendView, stateView } from "../support/state-views.ts"
import { defaults } from "../support/settings.ts"

/** The page in a real browser, before states that a script gives. */

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"
const skip = existsSync(executablePath) ? false : `there is no Chromium at ${executablePath}`
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]

let browser: Browser | undefined
before(async () => {
  if (skip === false) browser = await chromium.launch({ executablePath, args: flags })
})
after(() => browser?.close())

function stateOf(backends: readonly BackendView[], requests = 0): StateView {
  return stateView(backends, { totals: { requests, requestsPerSecond: 12, inFlight: 3, connections: 4 } })
}

/** Shows the page with what `state` gives, fails on any word in the console, and closes all of it at the end. */
async function showing(
  width: number,
  state: () => StateView,
  act: (page: Page, admin: ApiListener) => Promise<void>,
  change: Partial<AdminOptions> = {},
): Promise<void> {
  const admin = await startAdmin({
    host: "127.0.0.1",
    port: 0,
    allow: defaults.admin.allow,
    state,
    policies: [],
    changePolicy: () => fail({ path: "", message: "" }),
    unready: () => undefined,
    timers: systemTimers,
    ...change,
  })
  const page = await browser!.newPage({ viewport: { width, height: 900 } })
  const complaints: string[] = []
  page.on("console", (message) => complaints.push(message.text()))
  page.on("pageerror", (error) => complaints.push(String(error)))
  const origin = `http://127.0.0.1:${admin.address.port}`
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:"))
      complaints.push(request.url())
  })
  try {
    await page.goto(`${origin}/`)
    await page.locator("#verdict-words", { hasText: /backend/i }).waitFor({ timeout: 120_000 })
    await act(page, admin)
    assert.deepEqual(complaints, [])
  } finally {
    await page.close()
    await admin.close()
  }
}

test("totals are the state's, and a new state is shown within a second", { skip }, async () => {
  let requests = 1_234
  await showing(
    1_200,
    () => stateOf([backendView("a"), backendView("b")], requests),
    async (page) => {
      assert.equal(await page.locator("#total-requests").innerText(), "1,234")
      assert.match(await page.locator("#verdict-words").innerText(), /2 of 2 backends/)
      requests = 5_678
      await page.locator("#total-requests", { hasText: "5,678" }).waitFor({ timeout: 120_000 })
    },
  )
})

test("a backend that is out is named with its reason", { skip }, async () => {
  const out = backendView("beta", {
    state: "ejected",
    reason: "3 checks in a row failed: connection refused",
  })
  await showing(
    1_200,
    () => stateOf([backendView("alpha"), out]),
    async (page) => {
      assert.match(await page.locator("body").innerText(), /3 checks in a row failed: connection refused/)
      assert.match(await page.locator("#verdict-words").innerText(), /1 of 2|beta/)
    },
  )
})

test("the lease counts down between states", { skip }, async () => {
  const started = performance.now()
  const state = (): StateView => {
    const lease = {
      keptBy: "renewals",
      ttlMs: 10_000,
      expiresInMs: 9_000 - (performance.now() - started),
    } as const
    return stateOf([backendView("a", { lease })])
  }
  await showing(1_200, state, async (page) => {
    const words = page.locator(".lease-words")
    const first = await words.innerText()
    assert.notEqual(first, "")
    for (let i = 0; i < 30 && (await words.innerText()) === first; i++) await page.waitForTimeout(100)
    assert.notEqual(await words.innerText(), first)
  })
})

test("a phone needs no horizontal scrolling, and dark is not light", { skip }, async () => {
  const long = backendView("x".repeat(128), { reason: "y".repeat(300) })
  await showing(
    360,
    () => stateOf([long, backendView("b")]),
    async (page) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= 360, `the page is ${width} px wide`)
      const ground = (): Promise<string> =>
        page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      await page.emulateMedia({ colorScheme: "light" })
      const light = await ground()
      await page.emulateMedia({ colorScheme: "dark" })
      assert.notEqual(await ground(), light)
    },
  )
})

test("what backends say of themselves is text and nothing else", { skip }, async () => {
  const hostile = `<img src=x onerror="document.title='owned'">`
  const state = (): StateView =>
    stateOf([
      backendView("a", { version: hostile, zone: hostile, labels: { [hostile]: hostile }, reason: hostile }),
    ])
  await showing(1_200, state, async (page) => {
    assert.equal(await page.locator("img").count(), 0)
    assert.notEqual(await page.title(), "owned")
    assert.ok((await page.locator("body").innerText()).includes("onerror"))
  })
})

test("bars of capacity are in proportion to one common scale", { skip }, async () => {
  const fleet = [
    backendView("big", { capacity: { compute: 20, storage: 40 } }),
    backendView("small", { capacity: { compute: 20, storage: 10 } }),
  ]
  await showing(
    1_200,
    () => stateOf(fleet),
    async (page) => {
      const widths = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>("#backends .capacity, #fleet .capacity")].map(
          (bar) => bar.getBoundingClientRect().width,
        ),
      )
      const [bigCompute, bigStorage, smallCompute, smallStorage] = widths
      assert.equal(widths.length, 4, `bars: ${widths.join(", ")}`)
      assert.ok(Math.abs(bigCompute! - smallCompute!) < 2)
      assert.ok(Math.abs(smallStorage! / bigStorage! - 0.25) < 0.02, widths.join(", "))
    },
  )
})

test(
  "what routes need is shown with how surely it is known, the busiest first and twelve at most",
  { skip },
  async () => {
    const need = { samples: 100, variation: null, bySize: null }
    const demand = (mean: number): RouteView["demand"] => [
      { ...need, resource: "compute", source: "utilization", mean, standardError: 0.125 },
      { ...need, resource: "storage", source: "configured", mean: 4, standardError: null },
    ]
    const routes = Array.from({ length: 20 }, (_, i) => {
      return { name: i === 0 ? "" : `GET /route-${i}/*`, rate: i, demand: demand(i) }
    })
    const fleet = [backendView("a", { capacityCorrected: { compute: 14, storage: 20 }, penalty: 2 })]
    await showing(
      360,
      () => stateView(fleet, { routes }),
      async (page) => {
        await page.locator(".route").first().waitFor()
        const rows = await page.locator(".route").allInnerTexts()
        assert.equal(rows.length, 12)
        assert.match(
          rows[0]!,
          /GET \/route-19\/\*\s+19\/s\s+compute\s+19\s±\s0.13\s+from utilization\s+storage 4\s+as configured/,
        )
        assert.match(await page.locator("#routes-more").innerText(), /8 more/)
        const card = await page.locator(".card").innerText()
        assert.match(card, /counts as 14/)
        assert.match(card, /counts as 2 times as loaded because it fails/)
        const width = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(width <= 360, `the page is ${width} px wide`)
      },
    )
  },
)

test("the policy is changed from the page only with the token", { skip }, async () => {
  const changes: string[] = []
  const options = {
    token: "a-token",
    changePolicy: ({ name }: PolicyChange) => {
      changes.push(name)
      return ok({ pool: "", name, parameters: {} })
    },
    policies: policyViews(resourcesDefault),
  }
  await showing(
    1_200,
    () => stateOf([backendView("a")]),
    async (page) => {
      await page.locator("#policy-panel summary").click()
      const button = page.locator("#policy-panel button")
      await page.locator("#policy-panel option", { hasText: "random" }).first().waitFor({ state: "attached" })
      assert.equal(await page.locator("#policy-panel select").inputValue(), "price", "the present one")
      await page.locator("#policy-panel select").selectOption("random")
      assert.ok(await button.isDisabled())
      await page.locator("#policy-panel input").fill("a-token")
      await button.click()
      await page
        .locator(".policy-words", { hasText: "The policy is random now" })
        .waitFor({ timeout: 120_000 })
    },
    options,
  )
  assert.deepEqual(changes, ["random"])
})

test(
  "the replicas of other programs are in the page's menu only when they are asked for",
  { skip },
  async () => {
    await showing(
      1_200,
      () => stateOf([backendView("a")]),
      async (page) => {
        await page.locator("#policy-panel summary").click()
        const select = page.locator("#policy-panel select")
        const replica = select.locator("option", { hasText: "power-of-two-caddy" })
        const more = select.locator("option", { hasText: "Replicas of other programs" })
        await more.waitFor({ state: "attached" })
        assert.equal(await replica.count(), 0)

        await select.selectOption({ label: "Replicas of other programs …" })
        assert.equal(await more.count(), 0)
        assert.equal(await select.inputValue(), "", "nothing is chosen by asking")
        await select.selectOption("power-of-two-caddy")
        await page.locator(".policy-words", { hasText: "As older versions of Caddy drew" }).waitFor()
      },
      { policies: policyViews(resourcesDefault) },
    )
  },
)

test("when a replica is the present policy, the page's menu shows it", { skip }, async () => {
  await showing(
    1_200,
    () => ({ ...stateOf([backendView("a")]), policy: "tetris" }),
    async (page) => {
      await page.locator("#policy-panel summary").click()
      const select = page.locator("#policy-panel select")
      await select.locator("option", { hasText: "tetris" }).waitFor({ state: "attached" })
      assert.equal(await select.inputValue(), "tetris")
    },
    { policies: policyViews(resourcesDefault) },
  )
})
