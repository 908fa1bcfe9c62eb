/** How the page says things: numbers, durations, proportions and sentences. Pure; nothing here touches the page. */

import type { BackendView, DemandView, StateView } from "../control/state-view.ts"

type KindOfResource = StateView["resources"][number]["kind"]

/** Keeps a number and its unit on one line. */
const nb = "\u00a0"

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const hundredths = new Intl.NumberFormat("en", { maximumFractionDigits: 2 })
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 })

/** A count, in full: `12,345`. */
export function count(value: number): string {
  return whole.format(value)
}

/** An amount or a rate with about three digits: `0.25`, `12.5`, `12,345`, and from a billion on `1.23B`. */
export function amount(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e9) return compact.format(value)
  if (size >= 99.95) return whole.format(value)
  return size >= 9.995 ? tenths.format(value) : hundredths.format(value)
}

/** A fraction as `62 %`; `< 1 %` rather than 0 % for a value above 0. */
export function percent(fraction: number): string {
  if (fraction > 0 && fraction < 0.01) return `<${nb}1${nb}%`
  return `${whole.format(fraction * 100)}${nb}%`
}

/** The two largest units of a time span: `7.2 s`, `42 s`, `3 min 5 s`, `3 h 12 min`, `4 d 3 h`. */
export function duration(ms: number): string {
  if (ms < 9_950) return `${(Math.max(0, ms) / 1_000).toFixed(1)}${nb}s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds}${nb}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}${nb}min ${seconds % 60}${nb}s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours}${nb}h ${minutes % 60}${nb}min`
  return `${Math.floor(hours / 24)}${nb}d ${hours % 24}${nb}h`
}

/** `part` of `whole` as a share of a bar, 0 to 1; an empty whole has no parts. */
export function proportion(part: number, whole: number): number {
  return whole > 0 && part > 0 ? Math.min(1, part / whole) : 0
}

/** How a reservation fills a bar that stands for the capacity. */
export interface Fill {
  /** 0 to 1: the first lap, solid. */
  readonly held: number
  /** 0 to 1: what goes beyond the capacity, drawn striped as a second lap; 1 from twice the capacity on. */
  readonly over: number
}

/** The laps of a reservation. Only `rate` resources go beyond the first, which means seconds of backlog. */
export function fillOf(reserved: number, capacity: number): Fill {
  return { held: proportion(reserved, capacity), over: proportion(reserved - capacity, capacity) }
}

/** What a reservation means: `0.6 s of backlog` for work that drains, `60 % held` for room. */
export function pressure(kind: KindOfResource, reserved: number, capacity: number): string {
  if (capacity <= 0) return reserved > 0 ? "without capacity" : "none here"
  if (reserved <= 0) return kind === "rate" ? "idle" : "empty"
  const share = reserved / capacity
  return kind === "rate" ? `${seconds(share)} of backlog` : `${percent(share)} held`
}

/** Two amounts as `1.5 : 1` or `1 : 2`; empty when there is nothing to compare. */
export function ratio(first: number, second: number): string {
  if (first <= 0 && second <= 0) return ""
  if (second <= 0) return "1 : 0"
  if (first <= 0) return "0 : 1"
  return first >= second ? `${amount(first / second)} : 1` : `1 : ${amount(second / first)}`
}

/** The largest amount of each resource over all backends, by the resource's name: the common scale of the bars. */
export function scales(
  state: StateView,
  amountsOf: (backend: BackendView) => Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const largest = new Map<string, number>()
  for (const { name } of state.resources) {
    let max = 0
    for (const backend of state.backends) max = Math.max(max, amountsOf(backend)[name] ?? 0)
    largest.set(name, max)
  }
  return largest
}

/** What a request needs and how surely that is known: `0.92 ± 0.1`. */
export function demandWords({ mean, standardError }: DemandView): string {
  return standardError === null ? amount(mean) : `${amount(mean)}${nb}±${nb}${amount(standardError)}`
}

const sources: Readonly<Record<DemandView["source"], string>> = {
  configured: "as configured",
  reported: "from reported costs",
  utilization: "from utilization",
  "service-time": "guessed from times",
  prior: "not known yet",
}

/** From what it is known. */
export function sourceWords({ source }: DemandView): string {
  return sources[source]
}

/** The command that announces a first backend, ready for a shell. `hostname` is where the page was loaded from. */
export function announceCommand(state: StateView, hostname: string): string {
  const capacity = Object.fromEntries(state.resources.map(({ name }, index) => [name, index === 0 ? 20 : 13]))
  const body = JSON.stringify({ address: ":8080", capacity }).replaceAll("'", String.raw`'\''`)
  return [
    `curl -X PUT http://${reachable(state.listeners.registration, hostname)}/v1/backends/alpha \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body}'`,
  ].join("\n")
}

/** How a lease is kept, `leftMs` being what is left of it now. */
export function leaseWords(lease: BackendView["lease"], leftMs: number | undefined): string {
  if (lease.keptBy === "ping-acks") return "kept by ping-acks"
  if (lease.keptBy === "configuration") return "named by the configuration"
  if (leftMs === undefined) return "lease without an end"
  return leftMs <= 0 ? "lease has ended" : `lease ${duration(leftMs)} of ${duration(lease.ttlMs)}`
}

/** What the last check said, `agoMs` being how long ago that is now. */
export function checkWords(check: BackendView["check"], agoMs: number | undefined): string {
  if (check.lastPassed === undefined) return "not checked yet"
  const when = agoMs === undefined ? "" : ` ${duration(agoMs)} ago`
  if (check.lastPassed) return `check passed${when}`
  return `check failed${when}${check.lastError === undefined ? "" : `: ${check.lastError}`}`
}

function seconds(value: number): string {
  return value < 0.01 ? `<${nb}0.01${nb}s` : `${amount(value)}${nb}s`
}

/** A listener's address as a person can reach it: a wildcard host becomes the one the page came from. */
function reachable(listener: string, hostname: string): string {
  const split = listener.lastIndexOf(":")
  const host = listener.slice(0, split)
  const wild = host === "" || host === "0.0.0.0" || host === "[::]" || host === "*"
  return wild ? `${hostname}${listener.slice(split)}` : listener
}
