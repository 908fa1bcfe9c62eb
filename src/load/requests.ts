/** What is sent: requests of several classes, made into bytes once, drawn by weight. */
import type { Millis } from "../core/clock.ts"
import type { Rng } from "../core/rng.ts"
import type { DueTimes } from "./schedule.ts"

/** One kind of request, complete. */
export interface RequestTemplate {
  /** What the results call it. */
  readonly name: string
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array | undefined
  /** Its part of all requests is its weight over the sum of all; > 0. */
  readonly weight: number
}

/** Where the next request comes from. One per thread; the same seed gives the same requests. */
export interface RequestSource {
  readonly classes: readonly string[]
  /** Draws the next request; returns the number of its class. */
  draw(): number
  /** The bytes of the request that was drawn last. They stay as they are. */
  bytes(): Buffer
  /** Its method is HEAD: the response has no body. */
  isHead(): boolean
}

/** Draws from prepared requests. Nothing is allocated a request. */
export class PreparedRequests implements RequestSource {
  readonly classes: readonly string[]
  readonly #bytes: readonly Buffer[]
  readonly #isHead: readonly boolean[]
  readonly #bounds: Float64Array
  readonly #rng: Rng
  #drawn = 0

  /** @param classes at least one. */
  constructor(classes: readonly RequestTemplate[], host: string, rng: Rng) {
    this.classes = classes.map(({ name }) => name)
    this.#bytes = classes.map((one) => requestBytes(one, host))
    this.#isHead = classes.map(({ method }) => method === "HEAD")
    const total = classes.reduce((sum, { weight }) => sum + weight, 0)
    let sum = 0
    this.#bounds = Float64Array.from(classes, ({ weight }) => (sum += weight) / total)
    this.#rng = rng
  }

  draw(): number {
    const bounds = this.#bounds
    if (bounds.length === 1) return 0
    const drawn = this.#rng.next()
    let at = 0
    while (at < bounds.length - 1 && drawn >= bounds[at]!) at++
    this.#drawn = at
    return at
  }

  bytes(): Buffer {
    return this.#bytes[this.#drawn]!
  }

  isHead(): boolean {
    return this.#isHead[this.#drawn]!
  }
}

/** Requests that are known one by one before they are sent: as recorded, or drawn. Plain data, a row each. */
export interface RequestList {
  /** When each is due, ms from the start, in order. */
  readonly atMs: Float64Array
  /** Its class. */
  readonly kinds: Uint16Array
  /** Fields with numbers that each carries, and their values, one row per request; NaN leaves the field out. */
  readonly names: readonly string[]
  readonly amounts: Float64Array
  /** What each declares in Linebacker-Demand: one amount a resource and request, in rows. */
  readonly declared: { readonly resources: readonly string[]; readonly amounts: Float64Array } | undefined
}

/** Every `threads`-th request of a list, in order: when it is due and what it says. Makes its head when it is drawn. */
export class ListedRequests implements RequestSource, DueTimes {
  readonly classes: readonly string[]
  readonly #list: RequestList
  readonly #heads: readonly string[]
  readonly #bodies: readonly (Uint8Array | undefined)[]
  readonly #isHead: readonly boolean[]
  readonly #threads: number
  #due: number
  #drawn: number

  constructor(
    list: RequestList,
    classes: readonly RequestTemplate[],
    host: string,
    index: number,
    threads: number,
  ) {
    this.#list = list
    this.classes = classes.map(({ name }) => name)
    this.#heads = classes.map((one) => headLines(one, host))
    this.#bodies = classes.map(({ body }) => body)
    this.#isHead = classes.map(({ method }) => method === "HEAD")
    this.#threads = threads
    this.#due = index
    this.#drawn = index - threads
  }

  get next(): Millis {
    return this.#due < this.#list.atMs.length ? this.#list.atMs[this.#due]! : Infinity
  }

  take(): Millis {
    const taken = this.next
    this.#due += this.#threads
    return taken
  }

  draw(): number {
    this.#drawn += this.#threads
    return this.#list.kinds[this.#drawn]!
  }

  bytes(): Buffer {
    const { amounts, declared, kinds, names } = this.#list
    const kind = kinds[this.#drawn]!
    let lines = this.#heads[kind]!
    for (const [column, name] of names.entries()) {
      const amount = amounts[this.#drawn * names.length + column]!
      if (!Number.isNaN(amount)) lines += `${name}: ${Number(amount.toFixed(6))}\r\n`
    }
    if (declared !== undefined) {
      const from = this.#drawn * declared.resources.length
      lines += `Linebacker-Demand: ${demandOf(declared.resources, declared.amounts, from)}\r\n`
    }
    return joined(lines, this.#bodies[kind])
  }

  isHead(): boolean {
    return this.#isHead[this.#list.kinds[this.#drawn]!]!
  }
}

/** Amounts as the dictionary of decimals that the field is (RFC 9651 3.2, 3.3.2: three digits behind the point). */
export function demandOf(resources: readonly string[], amounts: ArrayLike<number>, from: number): string {
  return resources.map((name, r) => `${name}=${Math.round(amounts[from + r]! * 1_000) / 1_000}`).join(", ")
}

/** A request as it goes over the wire. */
function requestBytes(request: RequestTemplate, host: string): Buffer {
  return joined(headLines(request, host), request.body)
}

function joined(lines: string, body: Uint8Array | undefined): Buffer {
  const head = Buffer.from(`${lines}\r\n`, "latin1")
  return body === undefined ? head : Buffer.concat([head, body])
}

/** The lines of a head, without the empty one behind it. */
function headLines({ method, path, fields, body }: RequestTemplate, host: string): string {
  const has = (name: string): boolean => fields.some(([field]) => field.toLowerCase() === name)
  const lines = [`${method} ${path} HTTP/1.1`]
  if (!has("host")) lines.push(`Host: ${host}`)
  if (!has("user-agent")) lines.push("User-Agent: linebacker-spam")
  if (!has("accept")) lines.push("Accept: */*")
  for (const [name, value] of fields) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`)
  return `${lines.join("\r\n")}\r\n`
}
