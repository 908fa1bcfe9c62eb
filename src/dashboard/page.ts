/**
 * The page on the admin listener: every state that arrives on the event stream, drawn in place.
 *
 * A state holds everything, so the page keeps no truth of its own but the last minute of each rate. Cards are
 * keyed by id and made once; those out of sight are drawn only now and then, which keeps a fleet of hundreds light.
 */

import type { BackendView, StateView } from "../control/state-view.ts"
import { Card, marks, type Scales } from "./card.ts"
import { copyOf, mark, part, say, widen } from "./dom.ts"
import { preparePolicyPanel } from "./policy.ts"
import { drawRoutes } from "./routes.ts"
import { Trail } from "./trail.ts"
import { amount, announceCommand, count, duration, fillOf, pressure, scales } from "./words.ts"

/** Without a message for so long the connection counts as lost, even without an error. */
const silenceMsMax = 4_000
/** How long to wait before asking for the stream anew where the browser has given up. */
const retryMs = 1_000
/** How often what moves by itself is drawn between two states. */
const tickMs = 200
/** Up to how many cards are all drawn with every state. */
const drawnAlwaysMax = 60
/** In a larger fleet, a card out of sight is drawn with one state in so many, in turns. */
const unseenTurns = 10
/** From how many backends on the states can be filtered. */
const filtersFrom = 10

const states = [
  "serving",
  "suspect",
  "ejected",
  "draining",
  "probing",
] as const satisfies readonly BackendView["state"][]

const tones = { good: marks.serving, warn: marks.suspect, bad: marks.ejected, empty: marks.probing } as const

const byId = (id: string): HTMLElement => part(document, `#${id}`, HTMLElement)
const list = byId("backends")
const banner = byId("banner")
const verdictBox = byId("verdict")
const verdictMark = part(document, "#verdict-mark", SVGPathElement)
const paceArea = part(document, "#pace .trail-area", SVGPathElement)
const paceLine = part(document, "#pace .trail-line", SVGPathElement)

const cards = new Map<string, Card>()
const byRoot = new WeakMap<Element, Card>()
const seen = new Set<Card>()
const pace = new Trail()
let shown: BackendView["state"] | "all" = "all"
let resourcesKey = ""
let current: StateView | undefined
let currentScales: Scales | undefined
/** When the current state arrived, on the page's monotonic clock. */
let currentAt = 0
let version: string | undefined
let turn = 0
let source: EventSource | undefined
let lastMessageAt = performance.now()
let retrying: ReturnType<typeof setTimeout> | undefined

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const card = byRoot.get(entry.target)
      if (card === undefined) continue
      if (entry.isIntersecting) seen.add(card)
      else seen.delete(card)
      if (entry.isIntersecting && current !== undefined && currentScales !== undefined) {
        card.draw(current, currentScales, linkIsLive() ? performance.now() : currentAt)
      }
    }
  },
  { rootMargin: "50% 0px" },
)

connect()
setInterval(tick, tickMs)
preparePolicyPanel(part(document, "#policy-panel", HTMLDetailsElement))
part(document, "#copy", HTMLButtonElement).addEventListener("click", () => void copyCommand())

function connect(): void {
  source?.close()
  const opened = new EventSource("api/v1/events")
  source = opened
  lastMessageAt = performance.now()
  opened.addEventListener("state", (event) => {
    if (opened !== source) return
    lastMessageAt = performance.now()
    live()
    show(JSON.parse(String(event.data)) as StateView)
  })
  opened.addEventListener("error", () => {
    if (opened !== source) return
    lost()
    // The browser tries again by itself after a broken connection, but not after a refusal.
    if (opened.readyState === EventSource.CLOSED && retrying === undefined) {
      retrying = setTimeout(() => {
        retrying = undefined
        connect()
      }, retryMs)
    }
  })
}

function live(): void {
  mark(document.body, "data-link", "live")
  say(byId("link-words"), "live")
  banner.hidden = true
}

function linkIsLive(): boolean {
  return document.body.dataset["link"] === "live"
}

function lost(): void {
  mark(document.body, "data-link", "lost")
  say(byId("link-words"), "lost")
  say(banner, "Connection lost, retrying. What you see is the last known state.")
  banner.hidden = false
}

/** Between two states: leases run down, unless the connection is lost, for then nothing is known. */
function tick(): void {
  const now = performance.now()
  if (now - lastMessageAt > silenceMsMax && retrying === undefined) {
    lost()
    connect()
  }
  if (!linkIsLive()) return
  for (const card of seen) card.tick(now)
}

function show(state: StateView): void {
  // Another version of the balancer may speak of things that this page does not know.
  version ??= state.version
  if (version !== state.version) return location.reload()

  performance.mark("linebacker:update:start")
  current = state
  currentAt = lastMessageAt
  const fresh = keepCards(state)
  for (const backend of state.backends) cards.get(backend.id)?.take(backend, state.uptimeMs, currentAt)
  const scalesNow: Scales = {
    capacity: scales(state, (backend) => backend.capacity),
    total: scales(state, (backend) => backend.total),
    peak: peakOfCards(),
  }
  currentScales = scalesNow
  drawSummary(state)
  drawResources(state)
  drawFilters(state)
  drawRoutes(byId("routes"), byId("routes-more"), state.routes)
  turn = (turn + 1) % unseenTurns
  let place = 0
  for (const card of cards.values()) {
    const due = cards.size <= drawnAlwaysMax || seen.has(card) || place % unseenTurns === turn
    if (due || fresh.has(card)) card.draw(state, scalesNow, currentAt)
    place++
  }
  performance.measure("linebacker:update", "linebacker:update:start")
}

/**
 * One card per backend, in the state's order; all anew when the resources are others.
 *
 * @returns the cards that were made just now.
 */
function keepCards(state: StateView): ReadonlySet<Card> {
  const fresh = new Set<Card>()
  const key = JSON.stringify(state.resources)
  if (key !== resourcesKey) {
    for (const id of cards.keys()) drop(id)
    byId("resources").replaceChildren(...state.resources.map((_, index) => resourcePanel(index)))
    resourcesKey = key
  }
  const present = new Set(state.backends.map((backend) => backend.id))
  for (const id of cards.keys()) if (!present.has(id)) drop(id)

  for (const [index, backend] of state.backends.entries()) {
    let card = cards.get(backend.id)
    if (card === undefined) {
      card = new Card(backend, state.resources, currentAt)
      fresh.add(card)
      cards.set(backend.id, card)
      byRoot.set(card.root, card)
      watcher.observe(card.root)
    }
    const there = list.children[index]
    if (there !== card.root) list.insertBefore(card.root, there ?? null)
    card.root.hidden = shown !== "all" && backend.state !== shown
  }
  mark(list, "data-many", String(state.backends.length > drawnAlwaysMax))
  return fresh
}

function drop(id: string): void {
  const card = cards.get(id)
  if (card === undefined) return
  cards.delete(id)
  seen.delete(card)
  watcher.unobserve(card.root)
  card.root.remove()
}

function peakOfCards(): number {
  let peak = 0
  for (const card of cards.values()) peak = Math.max(peak, card.trail.peak)
  return peak
}

function drawSummary(state: StateView): void {
  const { totals } = state
  const { tone, words, troubles } = state.verdict
  mark(verdictBox, "data-tone", tone)
  mark(verdictMark, "d", tones[tone])
  say(byId("verdict-words"), words)
  drawTroubles(troubles.slice(1))
  say(byId("verdict-rate"), tone === "empty" ? "" : `, ${amount(totals.requestsPerSecond)} requests/s`)
  const title = `${count(totals.eligible)}/${count(totals.backends)} · ${amount(totals.requestsPerSecond)}/s · Linebacker`
  if (document.title !== title) document.title = title

  pace.add(state.uptimeMs, totals.requestsPerSecond)
  mark(paceLine, "d", pace.path(1200, 54, pace.peak, false))
  mark(paceArea, "d", pace.path(1200, 54, pace.peak, true))
  say(byId("pace-words"), `Requests/s in the last minute, at most ${amount(pace.peak)}`)

  const errors = Object.entries(totals.errors).sort(([, a], [, b]) => b - a)
  const failed = errors.reduce((sum, [, times]) => sum + times, 0)
  say(byId("version"), state.version)
  say(byId("total-requests"), count(totals.requests))
  say(byId("total-rate"), amount(totals.requestsPerSecond))
  say(byId("total-in-flight"), count(totals.inFlight))
  say(byId("total-connections"), count(totals.connections))
  say(byId("total-errors"), count(failed))
  mark(byId("total-errors"), "data-some", String(failed > 0))
  say(byId("policy"), state.policy)
  say(byId("demand"), state.demandMode)
  say(byId("workers"), count(state.workers))
  say(byId("uptime"), duration(Math.floor(state.uptimeMs / 1_000) * 1_000))
  drawErrors(errors)
  say(byId("listener-traffic"), state.listeners.traffic)
  say(byId("listener-registration"), state.listeners.registration)
  say(byId("listener-admin"), state.listeners.admin)

  const empty = totals.backends === 0
  byId("empty").hidden = !empty
  byId("fleet").hidden = empty
  byId("amounts").hidden = empty
  byId("needs").hidden = empty
  if (empty) say(byId("command"), announceCommand(state, location.hostname))
}

/** What is wrong beside what the verdict says, worst first; the elements are reused. */
function drawTroubles(troubles: StateView["verdict"]["troubles"]): void {
  const items = byId("troubles")
  items.hidden = troubles.length === 0
  while (items.children.length > troubles.length) items.lastElementChild?.remove()
  while (items.children.length < troubles.length) items.append(document.createElement("li"))
  for (const [index, { tone, words }] of troubles.entries()) {
    const item = items.children[index]
    if (item === undefined) continue
    mark(item, "data-tone", tone)
    say(item, words)
  }
}

/** One pair per code, in order of frequency; the elements are reused. */
function drawErrors(errors: readonly (readonly [string, number])[]): void {
  const pairs = byId("errors")
  pairs.hidden = errors.length === 0
  while (pairs.children.length > errors.length) pairs.lastElementChild?.remove()
  while (pairs.children.length < errors.length) {
    const pair = document.createElement("div")
    pair.append(document.createElement("dt"), document.createElement("dd"))
    pairs.append(pair)
  }
  for (const [index, [code, times]] of errors.entries()) {
    const pair = pairs.children[index]
    if (pair?.firstElementChild) say(pair.firstElementChild, code)
    if (pair?.lastElementChild) say(pair.lastElementChild, count(times))
  }
}

function resourcePanel(index: number): HTMLElement {
  const panel = copyOf("resource")
  mark(panel, "data-resource", String(index))
  return panel
}

function drawResources(state: StateView): void {
  for (const [index, { name, kind }] of state.resources.entries()) {
    const panel = byId("resources").children[index]
    if (panel === undefined) continue
    const capacity = state.totals.capacity[name] ?? 0
    const reserved = state.totals.reserved[name] ?? 0
    const fill = fillOf(reserved, capacity)
    const of = (selector: string): HTMLElement => part(panel, selector, HTMLElement)
    say(of(".meter-name"), name)
    say(of(".resource-kind"), kind === "rate" ? "work that drains" : "room that is held")
    widen(of(".capacity"), capacity > 0 ? 1 : 0)
    widen(of(".held"), fill.held)
    widen(of(".over"), fill.over)
    say(of(".resource-reserved"), amount(reserved))
    say(of(".resource-capacity"), amount(capacity))
    say(of(".resource-total"), amount(state.totals.total[name] ?? 0))
    say(of(".resource-note"), pressure(kind, reserved, capacity))
  }
}

function drawFilters(state: StateView): void {
  const filters = byId("filters")
  filters.hidden = state.backends.length < filtersFrom
  if (filters.hidden && shown !== "all") choose("all")
  if (filters.children.length === 0) {
    for (const name of ["all", ...states] as const) {
      const button = document.createElement("button")
      button.type = "button"
      button.addEventListener("click", () => choose(name))
      filters.append(button)
    }
  }
  for (const [index, name] of (["all", ...states] as const).entries()) {
    const button = filters.children[index]
    if (button === undefined) continue
    const members = name === "all" ? state.backends.length : ofState(state, name)
    say(button, `${name} ${count(members)}`)
    mark(button, "aria-pressed", String(shown === name))
    button.toggleAttribute("hidden", members === 0 && shown !== name)
  }
}

function ofState(state: StateView, name: BackendView["state"]): number {
  let members = 0
  for (const backend of state.backends) if (backend.state === name) members++
  return members
}

function choose(name: typeof shown): void {
  shown = name
  if (current === undefined) return
  keepCards(current)
  if (current.backends.length >= filtersFrom) drawFilters(current)
}

/** Copies the command; where the browser does not let pages copy, selects it so that a person can. */
async function copyCommand(): Promise<void> {
  const command = byId("command")
  const button = byId("copy")
  try {
    await navigator.clipboard.writeText(command.textContent)
    say(button, "Copied")
  } catch {
    getSelection()?.selectAllChildren(command)
    say(button, "Selected")
  }
  setTimeout(() => say(button, "Copy"), 2_000)
}
