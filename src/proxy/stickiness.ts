/** Hot path: what one request sticks to. One per exchange, for one request after the other. Benchmark: bench/exchange.ts. */
import type { AffinityOptions } from "../config/config.ts"
import type { BackendId } from "../core/backend.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import type { RequestOrigin } from "../core/http/streams.ts"
import type { Choosing } from "../placing/choosing.ts"
import type { Site } from "../placing/placed-backend.ts"
import { affinityHashOf, type Bindings, bindingLines } from "./affinity.ts"

export class Stickiness {
  /** The client's IP address, 4 or 16 bytes; undefined where there is none. */
  clientAddress: Uint8Array | undefined = undefined
  readonly #bindings: Bindings
  #hash: number | undefined = undefined
  #boundTo: BackendId | undefined = undefined
  #isSecure = false

  constructor(bindings: Bindings) {
    this.#bindings = bindings
  }

  /** Reads it from the head of a request, whose route says what counts. */
  read(head: MessageHead, affinity: AffinityOptions | undefined, origin: RequestOrigin): void {
    this.clientAddress = origin.clientBytesOf(head)
    this.#hash = undefined
    this.#boundTo = undefined
    if (affinity === undefined) return
    if (affinity.kind !== "cookie") {
      const client = affinity.kind === "address" ? origin.clientOf(head) : undefined
      this.#hash = affinityHashOf(affinity, head, client)
      return
    }
    this.#boundTo = this.#bindings.boundBy(head, affinity.name)
    this.#isSecure = origin.isSecure(head)
  }

  /** Writes it where a backend is chosen by it. */
  write<S extends Site>(choosing: Choosing<S>): void {
    choosing.affinityHash = this.#hash
    choosing.clientAddress = this.clientAddress
    choosing.boundTo = this.#boundTo
  }

  /** The field lines that bind the client to the backend which serves it; "" where it is bound to that already. */
  linesFor(backend: BackendId, affinity: AffinityOptions | undefined): string {
    if (affinity?.kind !== "cookie" || backend === this.#boundTo) return ""
    return bindingLines(affinity, this.#bindings.tokenOf(backend), this.#isSecure)
  }
}
