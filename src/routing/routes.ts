/**
 * Which requests are alike. Hot: `RouteFinder.find`, once per request, without allocation; the rest is cold.
 * Benchmark: bench/learn.ts.
 */
import { normalHost } from "../core/host.ts"
import { HostBytes } from "../core/host-bytes.ts"
import { hashOf, templateBytesMax, TemplateWriter } from "./route-template.ts"
import { TargetMemo } from "./target-memo.ts"

/** What an operator says of requests that belong together. */
export interface RouteRule {
  readonly name: string
  /** Of any method when undefined. Case-sensitive, as methods are. */
  readonly method: string | undefined
  /** The host without its port, in any spelling; `*.example.org` is every host that ends so. Of any when undefined. */
  readonly host: string | undefined
  /** `/users/*` has one segment more, `/files/**` has any number more. Compared as bytes, nothing is decoded. */
  readonly path: string
}

/**
 * The routes and their numbers: 0 is the rest, then the rules in order, then the learned. Plain data that travels to
 * the threads. A number is never given to another route.
 */
export interface RouteList {
  /** Grows with every replacement. */
  readonly version: number
  readonly rules: readonly RouteRule[]
  /** Templates as `GET /users/*`. */
  readonly learned: readonly string[]
}

const noRoutes: RouteList = { version: 0, rules: [], learned: [] }

/** How many routes are learned beside the rules. */
export const learnedRoutesDefault = 64

/** The number of routes in a list, route 0 included. */
export function routeCount(list: RouteList): number {
  return 1 + list.rules.length + list.learned.length
}

/** For people: "" is route 0 and every number that is no route. */
export function routeName(list: RouteList, route: number): string {
  if (route <= 0) return ""
  return list.rules[route - 1]?.name ?? list.learned[route - 1 - list.rules.length] ?? ""
}

/** Why a rule's path can match nothing, as the end of "the path …", or undefined when it can. */
export function routePathError(path: string): string | undefined {
  if (!path.startsWith("/")) return "must begin with a slash"
  if (/[?#\s]/.test(path)) return "must have no query, fragment or space"
  const segments = path.split("/").slice(1)
  const wrong = segments.find((one) => one.includes("*") && one !== "*" && one !== "**")
  if (wrong !== undefined) return `may have "*" and "**" only as whole segments; found "${wrong}"`
  const rest = segments.indexOf("**")
  return rest !== -1 && rest !== segments.length - 1 ? 'may have "**" only at its end' : undefined
}

/** Cold: whether every request that the second rule matches is one that the first matches too. */
export function coversRule(first: Omit<RouteRule, "name">, second: Omit<RouteRule, "name">): boolean {
  if (first.method !== undefined && first.method !== second.method) return false
  return coversHost(first.host, second.host) && coversPath(first.path, second.path)
}

function coversHost(first: string | undefined, second: string | undefined): boolean {
  if (first === undefined) return true
  if (second === undefined) return false
  const [wide, narrow] = [normalHost(first), normalHost(second)]
  return wide === narrow || (wide.startsWith("*.") && narrow.endsWith(wide.slice(1)))
}

function coversPath(first: string, second: string): boolean {
  const wide = segmentsOf(first)
  const narrow = segmentsOf(second)
  for (const [index, segment] of wide.entries()) {
    if (segment === "**") return true
    const other = narrow[index]
    if (other === undefined || other === "**") return false
    if (segment === "*" ? other === "" : other !== segment) return false
  }
  return wide.length === narrow.length
}

/** As `CompiledRule` reads them: a slash at the end says nothing. */
function segmentsOf(path: string): string[] {
  return (path.length > 1 ? path.replace(/\/$/, "") : path).split("/").slice(1)
}

const candidateSets = 64
const candidateWays = 4

/** Finds the route of a request. One per thread; not shared. */
export class RouteFinder {
  #rules: readonly CompiledRule[] = []
  #ruleCount = 0
  /** Some rule asks for a host, so that targets alone tell no route. */
  #hasHosts = false
  readonly #memo = new TargetMemo()
  readonly #template = new TemplateWriter()
  readonly #host = new HostBytes()
  /** Open addressing: number of the learned route, from 1 on, 0 where free. */
  #slots = new Int32Array(2)
  #hashes = new Int32Array(0)
  #starts = new Int32Array(0)
  #bytes = new Uint8Array(0)
  readonly #unknown = new Candidates()

  constructor(list: RouteList = noRoutes) {
    this.replace(list)
  }

  /** Takes another list. Cold. Routes keep their numbers when it is one that its `RouteBook` made of the last. */
  replace(list: RouteList): void {
    this.#rules = list.rules.map((rule) => new CompiledRule(rule))
    this.#ruleCount = list.rules.length
    this.#hasHosts = list.rules.some((rule) => rule.host !== undefined)
    this.#memo.clear()
    const encoder = new TextEncoder()
    const templates = list.learned.map((template) => encoder.encode(template))
    let size = 2
    while (size < templates.length * 4) size *= 2
    this.#slots = new Int32Array(size)
    this.#hashes = new Int32Array(templates.length)
    this.#starts = new Int32Array(templates.length + 1)
    this.#bytes = new Uint8Array(templates.reduce((sum, template) => sum + template.length, 0))
    for (const [index, template] of templates.entries()) {
      const start = this.#starts[index]!
      this.#bytes.set(template, start)
      this.#starts[index + 1] = start + template.length
      const hash = hashOf(template)
      this.#hashes[index] = hash
      let slot = hash & (size - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (size - 1)
      this.#slots[slot] = index + 1
    }
  }

  /**
   * The route's number, 0 when it is of none: the first rule that matches, else the learned one with its template.
   * A template that is not known is counted for `takeUnknown`. O(rules + bytes of the path); O(bytes) for a target that
   * came before, where no rule asks for a host.
   *
   * @param method of the request
   * @param bytes hold path and host
   * @param pathStart where the path begins, its query may be there too: `Head.pathStart`
   * @param hostStart where the host without user information begins; equal to `hostEnd` when there is none
   * @param hostBytes hold the host, where `bytes` does not
   */
  find(
    method: string,
    bytes: Uint8Array,
    pathStart: number,
    pathEnd: number,
    hostStart: number,
    hostEnd: number,
    hostBytes: Uint8Array = bytes,
  ): number {
    if (this.#hasHosts) {
      this.#host.read(hostBytes, hostStart, hostEnd)
      return this.#search(method, bytes, pathStart, pathEnd)
    }
    const known = this.#memo.recall(method, bytes, pathStart, pathEnd)
    if (known !== -1) return known
    const route = this.#search(method, bytes, pathStart, pathEnd)
    // What is of no route yet has to be counted each time.
    if (route > 0) this.#memo.learn(method, bytes, pathStart, pathEnd, route)
    return route
  }

  /** Templates that were of no route since the last call, with how often they came, at least. Cold. */
  takeUnknown(): readonly UnknownRoute[] {
    return this.#unknown.take()
  }

  /** Of a request whose host is in `#host`, where some rule asks for one. */
  #search(method: string, bytes: Uint8Array, pathStart: number, pathEnd: number): number {
    const rules = this.#rules
    if (rules.length > 0) {
      let end = pathStart
      while (end < pathEnd && bytes[end] !== QUESTION) end++
      if (end - 1 > pathStart && bytes[end - 1] === SLASH) end--
      for (let i = 0; i < rules.length; i++) {
        if (rules[i]!.matches(method, bytes, pathStart, end, this.#host)) return i + 1
      }
    }
    const template = this.#template
    template.write(method, bytes, pathStart, pathEnd)
    const { length, hash } = template
    if (length === 0) return 0
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const learned = this.#slots[slot]! - 1
      if (this.#hashes[learned] === hash && this.#isLearned(learned, length)) {
        return 1 + this.#ruleCount + learned
      }
    }
    this.#unknown.add(template.bytes, length, hash)
    return 0
  }

  #isLearned(learned: number, length: number): boolean {
    const start = this.#starts[learned]!
    if (this.#starts[learned + 1]! - start !== length) return false
    const template = this.#template.bytes
    const known = this.#bytes
    for (let i = 0; i < length; i++) if (known[start + i] !== template[i]) return false
    return true
  }
}

/** A template that is no route yet, and how often it came. */
export type UnknownRoute = readonly [template: string, count: number]

const QUESTION = 0x3f
const SLASH = 0x2f
const STAR = 0x2a

/** A rule as bytes. */
class CompiledRule {
  readonly #method: string | undefined
  readonly #path: Uint8Array
  /** In its normal form; without the star of `*.example.org`. */
  readonly #host: Uint8Array | undefined
  readonly #anySubdomain: boolean

  constructor(rule: RouteRule) {
    const encoder = new TextEncoder()
    this.#method = rule.method
    this.#path = encoder.encode(rule.path.length > 1 ? rule.path.replace(/\/$/, "") : rule.path)
    this.#anySubdomain = rule.host?.startsWith("*.") === true
    const host = this.#anySubdomain ? rule.host!.slice(1) : rule.host
    this.#host = host === undefined ? undefined : encoder.encode(normalHost(host))
  }

  /** `pathEnd` is before the query and without the slash at the end. */
  matches(method: string, bytes: Uint8Array, pathStart: number, pathEnd: number, host: HostBytes): boolean {
    if (this.#method !== undefined && this.#method !== method) return false
    if (!this.#matchesPath(bytes, pathStart, pathEnd)) return false
    return this.#host === undefined || this.#matchesHost(this.#host, host)
  }

  #matchesPath(bytes: Uint8Array, start: number, end: number): boolean {
    const path = this.#path
    let at = start
    let i = 0
    while (i < path.length) {
      if (path[i] === STAR && path[i - 1] === SLASH) {
        if (path[i + 1] === STAR) return true
        const segment = at
        while (at < end && bytes[at] !== SLASH) at++
        if (at === segment) return false
        i++
      } else {
        // `/files/**` is `/files` too.
        if (at >= end) return i === path.length - 3 && path[i] === SLASH && path[i + 2] === STAR
        if (bytes[at] !== path[i]) return false
        at++
        i++
      }
    }
    return at === end
  }

  #matchesHost(host: Uint8Array, { bytes, length }: HostBytes): boolean {
    const from = length - host.length
    if (this.#anySubdomain ? from <= 0 : from !== 0) return false
    for (let i = 0; i < host.length; i++) if (bytes[from + i] !== host[i]) return false
    return true
  }
}

/**
 * Counts templates in bounded room, so that what comes often survives what comes once: 64 sets of four. A template
 * that is in none of its set's four places takes one off the least count there, and the place when that was the last.
 * So a flood of templates that never repeat replaces only itself.
 *
 * @see Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", ICDT
 * 2005, and Misra, Gries, "Finding repeated elements", 1982, whose decrement this is, within sets.
 */
class Candidates {
  readonly #bytes = new Uint8Array(candidateSets * candidateWays * templateBytesMax)
  readonly #lengths = new Int32Array(candidateSets * candidateWays)
  readonly #hashes = new Int32Array(candidateSets * candidateWays)
  readonly #counts = new Int32Array(candidateSets * candidateWays)

  add(template: Uint8Array, length: number, hash: number): void {
    const counts = this.#counts
    const first = (hash & (candidateSets - 1)) * candidateWays
    let least = first
    for (let place = first; place < first + candidateWays; place++) {
      if (counts[place]! > 0 && this.#hashes[place] === hash && this.#holds(place, template, length)) {
        counts[place]!++
        return
      }
      if (counts[place]! < counts[least]!) least = place
    }
    if (counts[least]! > 0 && --counts[least]! > 0) return
    const start = least * templateBytesMax
    for (let i = 0; i < length; i++) this.#bytes[start + i] = template[i]!
    this.#lengths[least] = length
    this.#hashes[least] = hash
    counts[least] = 1
  }

  take(): readonly UnknownRoute[] {
    const taken: UnknownRoute[] = []
    const decoder = new TextDecoder("latin1")
    for (let place = 0; place < this.#counts.length; place++) {
      const count = this.#counts[place]!
      if (count === 0) continue
      const start = place * templateBytesMax
      taken.push([decoder.decode(this.#bytes.subarray(start, start + this.#lengths[place]!)), count])
    }
    this.#counts.fill(0)
    return taken
  }

  #holds(place: number, template: Uint8Array, length: number): boolean {
    if (this.#lengths[place] !== length) return false
    const start = place * templateBytesMax
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== template[i]) return false
    return true
  }
}

/** Of what a candidate was counted, this much is left with each call of `adopt`. */
const kept = 0.98
/** Calls with a candidate in them, and requests of it, before it can become a route. */
const callsMin = 5
const requestsMin = 20
/** Routes that one call adopts at most. */
const adoptedMax = 4
/** Candidates remembered for each route that may be learned. */
const candidatesPerRoute = 4

interface Candidate {
  count: number
  calls: number
}

/**
 * Decides which templates become routes. Cold; one per balancer.
 *
 * The rule keeps clients from filling the list with paths that do not come again. A template becomes a route when it
 * came in five calls of `adopt`, twenty times lately, and made up at least 1 / (4 · free places) of what belonged to no
 * route: 0.4 % while all 64 places are free, a quarter for the last. At most four become routes per call, the most
 * frequent first. Paths made up at random have no share and never become routes. A client that repeats its own paths as
 * often as the paths of all others together can take places, at the price of ever larger shares; what then finds no
 * place is route 0, which is always there. An operator's rules come first and take no place.
 * Memory: four candidates per place.
 */
export class RouteBook {
  readonly #learnedMax: number
  readonly #candidates = new Map<string, Candidate>()
  /** Requests that belonged to no route lately, those of forgotten candidates too. */
  #total = 0
  #list: RouteList

  constructor(rules: readonly RouteRule[] = [], learnedMax: number = learnedRoutesDefault) {
    this.#learnedMax = learnedMax
    this.#list = { version: 1, rules, learned: [] }
  }

  get list(): RouteList {
    return this.#list
  }

  /**
   * Takes what finders counted since the last call, one after the other or all together. Call it about once per second
   * with the counts of all threads.
   *
   * @returns whether there are new routes: `list` has been replaced then.
   */
  adopt(unknown: readonly UnknownRoute[]): boolean {
    const free = this.#learnedMax - this.#list.learned.length
    if (free <= 0) return false
    this.#count(unknown)
    const bar = Math.max(requestsMin, this.#total / (4 * free))
    const found = [...this.#candidates]
      .filter(([, { count, calls }]) => calls >= callsMin && count >= bar)
      .toSorted(([, a], [, b]) => b.count - a.count)
      .slice(0, Math.min(adoptedMax, free))
      .map(([template]) => template)
    if (found.length === 0) return false
    for (const template of found) {
      this.#total -= this.#candidates.get(template)!.count
      this.#candidates.delete(template)
    }
    const { version, rules, learned } = this.#list
    this.#list = { version: version + 1, rules, learned: [...learned, ...found] }
    return true
  }

  #count(unknown: readonly UnknownRoute[]): void {
    for (const [template, candidate] of this.#candidates) {
      candidate.count *= kept
      if (candidate.count < 0.5) this.#candidates.delete(template)
    }
    this.#total *= kept
    const now = new Map<string, number>()
    for (const [template, count] of unknown) now.set(template, (now.get(template) ?? 0) + count)
    for (const [template, count] of now) {
      // A thread that has not taken the newest list yet may still call it unknown.
      if (this.#list.learned.includes(template)) continue
      this.#total += count
      const candidate = this.#candidates.get(template)
      if (candidate === undefined) this.#candidates.set(template, { count, calls: 1 })
      else {
        candidate.count += count
        candidate.calls++
      }
    }
    const most = this.#learnedMax * candidatesPerRoute
    if (this.#candidates.size <= most) return
    const ranked = [...this.#candidates].toSorted(([, a], [, b]) => b.count - a.count)
    for (const [template] of ranked.slice(most)) this.#candidates.delete(template)
  }
}
