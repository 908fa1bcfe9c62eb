/** What is sent: requests of several classes, made into bytes once, drawn by weight. */
import type { Rng } from "../core/rng.ts"

/** One kind of request, complete. */
export interface RequestClass {
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

/** Where the next request comes from. One a thread; the same seed gives the same requests. */
export interface RequestSource {
  readonly classes: readonly string[]
  /** Draws the next request: answers the number of its class. */
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
  constructor(classes: readonly RequestClass[], host: string, rng: Rng) {
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

/** A request as it goes over the wire. */
export function requestBytes({ method, path, fields, body }: RequestClass, host: string): Buffer {
  const has = (name: string): boolean => fields.some(([field]) => field.toLowerCase() === name)
  const lines = [`${method} ${path} HTTP/1.1`]
  if (!has("host")) lines.push(`Host: ${host}`)
  if (!has("user-agent")) lines.push("User-Agent: linebacker-spam")
  if (!has("accept")) lines.push("Accept: */*")
  for (const [name, value] of fields) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`)
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1")
  return body === undefined ? head : Buffer.concat([head, body])
}
