/** One backend on the page: a card that is made once and kept up to date in place. */

import type { BackendView, StateView } from "../control/state-view.ts"
import { copyOf, mark, part, say, widen } from "./dom.ts"
import { Trail } from "./trail.ts"
import {
  amount,
  checkWords,
  count,
  fillOf,
  leaseWords,
  percent,
  pressure,
  proportion,
  ratio,
} from "./words.ts"

/** What all cards share, computed once a state. */
export interface Scales {
  /** The largest capacity of each resource. */
  readonly capacity: ReadonlyMap<string, number>
  /** The largest sum carried of each resource. */
  readonly total: ReadonlyMap<string, number>
  /** The most requests per second of any backend in the last minute. */
  readonly peak: number
}

/** A mark for each state and outcome, so that no meaning hangs on colour alone; in a box of 16 × 16. */
export const marks = {
  serving: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11Z",
  probing: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11ZM8 4.7a3.3 3.3 0 1 1 0 6.6a3.3 3.3 0 1 1 0-6.6Z",
  suspect: "M8 1.8L15 14H1Z",
  ejected: "M3.6 1.8L8 6.2l4.4-4.4l1.8 1.8L9.8 8l4.4 4.4l-1.8 1.8L8 9.8l-4.4 4.4l-1.8-1.8L6.2 8L1.8 3.6Z",
  draining: "M1.5 3h13L8 14.2Z",
  passed: "M6.3 13.2L1.6 8.5l1.7-1.7l3 3l6.4-6.4l1.7 1.7Z",
  none: "M2 7h12v2H2Z",
} as const

/** How many labels a card shows. */
const labelsMax = 6

const shapeSize = 44

export class Card {
  readonly root: HTMLElement = copyOf("card")
  readonly trail: Trail = new Trail()
  #view: BackendView
  /** When the view arrived, on the page's monotonic clock. */
  #arrivedAt: number
  readonly #meters: readonly Meter[]
  readonly #id = part(this.root, ".card-id", HTMLElement)
  readonly #chip = part(this.root, ".chip", HTMLElement)
  readonly #chipMark = part(this.root, ".chip-mark", SVGPathElement)
  readonly #chipWord = part(this.root, ".chip-word", HTMLElement)
  readonly #where = part(this.root, ".card-where", HTMLElement)
  readonly #reason = part(this.root, ".card-reason", HTMLElement)
  readonly #rate = part(this.root, ".card-rate", HTMLElement)
  readonly #area = part(this.root, ".trail-area", SVGPathElement)
  readonly #line = part(this.root, ".trail-line", SVGPathElement)
  readonly #inFlight = part(this.root, ".card-in-flight", HTMLElement)
  readonly #requests = part(this.root, ".card-requests", HTMLElement)
  readonly #failures = part(this.root, ".card-failures", HTMLElement)
  readonly #shape = part(this.root, ".card-shape", HTMLElement)
  readonly #shapeCapacity = part(this.root, ".shape-capacity", SVGRectElement)
  readonly #shapeIdeal = part(this.root, ".shape-ideal", SVGLineElement)
  readonly #shapeCarried = part(this.root, ".shape-carried", SVGLineElement)
  readonly #shapeWords = part(this.root, ".shape-words", HTMLElement)
  readonly #lease = part(this.root, ".lease", HTMLElement)
  readonly #ring = part(this.root, ".ring-left", SVGCircleElement)
  readonly #leaseWords = part(this.root, ".lease-words", HTMLElement)
  readonly #check = part(this.root, ".check", HTMLElement)
  readonly #checkMark = part(this.root, ".check-mark", SVGPathElement)
  readonly #checkWords = part(this.root, ".check-words", HTMLElement)

  constructor(view: BackendView, resources: StateView["resources"], arrivedAt: number) {
    this.#view = view
    this.#arrivedAt = arrivedAt
    const meters = part(this.root, ".meters", HTMLElement)
    const sums = part(this.root, ".sums", HTMLElement)
    this.#meters = resources.map((resource, index) => new Meter(resource, index, meters, sums))
  }

  get view(): BackendView {
    return this.#view
  }

  /** Takes the newest view; draws nothing. */
  take(view: BackendView, uptimeMs: number, arrivedAt: number): void {
    this.#view = view
    this.#arrivedAt = arrivedAt
    this.trail.add(uptimeMs, view.requestsPerSecond)
  }

  /** Brings everything on the card up to date. */
  draw(state: StateView, scales: Scales, now: number): void {
    const view = this.#view
    say(this.#id, view.id)
    mark(this.root, "data-state", view.state)
    mark(this.#chip, "data-state", view.state)
    mark(this.#chipMark, "d", marks[view.state])
    say(this.#chipWord, view.state)
    say(this.#where, whereabouts(view))
    say(this.#reason, view.reason)
    say(this.#rate, amount(view.requestsPerSecond))
    mark(this.#line, "d", this.trail.path(240, 34, scales.peak, false))
    mark(this.#area, "d", this.trail.path(240, 34, scales.peak, true))
    say(this.#inFlight, count(view.inFlight))
    say(this.#requests, count(view.requests))
    say(this.#failures, count(view.failures))
    mark(this.#failures, "data-some", String(view.failures > 0))
    for (const meter of this.#meters) meter.draw(view, scales)
    this.#drawShape(state.resources, scales)
    this.tick(now)
  }

  /** Brings what moves by itself up to date: the lease runs down and the last check grows old. */
  tick(now: number): void {
    const { lease, check } = this.#view
    const sinceMs = now - this.#arrivedAt
    const leftMs = lease.expiresInMs === undefined ? undefined : Math.max(0, lease.expiresInMs - sinceMs)
    say(this.#leaseWords, leaseWords(lease, leftMs))
    mark(this.#lease, "data-kept", lease.keptBy)
    const left = leftMs === undefined ? 100 : Math.round(proportion(leftMs, lease.ttlMs) * 1000) / 10
    mark(this.#ring, "stroke-dasharray", `${left} 100`)

    say(
      this.#checkWords,
      checkWords(check, check.lastAgoMs === undefined ? undefined : check.lastAgoMs + sinceMs),
    )
    const outcome = check.lastPassed === undefined ? "none" : check.lastPassed ? "passed" : "failed"
    mark(this.#check, "data-outcome", outcome)
    mark(this.#checkMark, "d", outcome === "failed" ? marks.ejected : marks[outcome])
  }

  /**
   * The first two resources as the sides of a rectangle, on the common scale of all backends. The dotted diagonal
   * is the work that would fit its shape; the solid line is the work that it has carried.
   */
  #drawShape(resources: StateView["resources"], scales: Scales): void {
    const [across, up] = resources
    this.#shape.hidden = across === undefined || up === undefined
    if (across === undefined || up === undefined) return
    const { capacity, total } = this.#view
    const width = proportion(capacity[across.name] ?? 0, scales.capacity.get(across.name) ?? 0) * shapeSize
    const height = proportion(capacity[up.name] ?? 0, scales.capacity.get(up.name) ?? 0) * shapeSize
    mark(this.#shapeCapacity, "width", width.toFixed(1))
    mark(this.#shapeCapacity, "height", height.toFixed(1))
    mark(this.#shapeCapacity, "y", (shapeSize - height).toFixed(1))
    mark(this.#shapeIdeal, "x2", width.toFixed(1))
    mark(this.#shapeIdeal, "y2", (shapeSize - height).toFixed(1))

    // The carried work as a direction in units of this rectangle's scale, cut where it leaves the rectangle.
    const x =
      proportion(total[across.name] ?? 0, capacity[across.name] ?? 0) === 0
        ? 0
        : carried(total, across.name, scales)
    const y =
      proportion(total[up.name] ?? 0, capacity[up.name] ?? 0) === 0 ? 0 : carried(total, up.name, scales)
    const stretch = Math.min(x > 0 ? width / x : Infinity, y > 0 ? height / y : Infinity)
    const reach = Number.isFinite(stretch) ? stretch : 0
    mark(this.#shapeCarried, "x2", (x * reach).toFixed(1))
    mark(this.#shapeCarried, "y2", (shapeSize - y * reach).toFixed(1))

    const has = ratio(capacity[across.name] ?? 0, capacity[up.name] ?? 0)
    const did = ratio(total[across.name] ?? 0, total[up.name] ?? 0)
    say(
      this.#shapeWords,
      `${across.name} to ${up.name}: has ${has}${did === "" ? ", nothing carried yet" : `, carried ${did}`}`,
    )
  }
}

/** One resource of one backend: capacity with what is reserved, and the sum carried. */
class Meter {
  readonly #resource: StateView["resources"][number]
  readonly #meter = copyOf("meter")
  readonly #sum = copyOf("sum")
  readonly #amount = part(this.#meter, ".meter-amount", HTMLElement)
  readonly #capacity = part(this.#meter, ".capacity", HTMLElement)
  readonly #held = part(this.#meter, ".held", HTMLElement)
  readonly #over = part(this.#meter, ".over", HTMLElement)
  readonly #used = part(this.#meter, ".used", HTMLElement)
  readonly #note = part(this.#meter, ".meter-note", HTMLElement)
  readonly #carried = part(this.#sum, ".carried", HTMLElement)
  readonly #sumAmount = part(this.#sum, ".meter-amount", HTMLElement)

  constructor(resource: StateView["resources"][number], index: number, meters: Element, sums: Element) {
    this.#resource = resource
    for (const root of [this.#meter, this.#sum]) {
      mark(root, "data-resource", String(index))
      say(part(root, ".meter-name", HTMLElement), resource.name)
    }
    meters.append(this.#meter)
    sums.append(this.#sum)
  }

  draw(view: BackendView, scales: Scales): void {
    const { name, kind } = this.#resource
    const capacity = view.capacity[name] ?? 0
    const reserved = view.reserved[name] ?? 0
    const total = view.total[name] ?? 0
    const utilization = view.utilization?.[name]
    const share = proportion(capacity, scales.capacity.get(name) ?? 0)
    const fill = fillOf(reserved, capacity)
    widen(this.#capacity, share)
    widen(this.#held, fill.held)
    widen(this.#over, fill.over)
    widen(this.#used, proportion(utilization ?? 0, 1) * share)
    say(this.#amount, `${amount(reserved)} of ${amount(capacity)}`)
    const reported = utilization === undefined ? "" : `, reports ${percent(utilization)} used`
    const corrected = view.capacityCorrected[name] ?? capacity
    // What is within a hundredth is the same to the eye.
    const differs = Math.abs(corrected - capacity) > capacity / 100
    const counted = differs ? `, counts as ${amount(corrected)}` : ""
    say(this.#note, `${pressure(kind, reserved, corrected)}${reported}${counted}`)
    mark(this.#meter, "data-over", String(reserved > capacity))
    widen(this.#carried, proportion(total, scales.total.get(name) ?? 0))
    say(this.#sumAmount, amount(total))
  }
}

function carried(total: BackendView["total"], name: string, scales: Scales): number {
  const scale = scales.capacity.get(name) ?? 0
  return scale > 0 ? (total[name] ?? 0) / scale : 0
}

/** Where and what it is: address, place, version and labels. */
function whereabouts(view: BackendView): string {
  const words = [view.scheme === "https" ? `${view.address} over TLS` : view.address]
  if (view.zone !== undefined) words.push(view.zone)
  if (view.version !== undefined) words.push(view.version)
  if (view.weight !== 1) words.push(`weight ${amount(view.weight)}`)
  if (view.penalty > 1.05) words.push(`counts as ${amount(view.penalty)} times as loaded because it fails`)
  const labels = Object.entries(view.labels)
  for (const [name, value] of labels.slice(0, labelsMax)) words.push(`${name}=${value}`)
  if (labels.length > labelsMax) words.push(`and ${labels.length - labelsMax} more labels`)
  return words.join(" · ")
}
