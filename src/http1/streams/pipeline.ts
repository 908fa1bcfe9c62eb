/**
 * Requests of several exchanges on one connection to a backend, where `limits.pipelinedMax` lets them be: those of one
 * turn of the event loop are written together, and each exchange waits behind the one before it.
 */
import type { BackendEvents } from "../../core/http/streams.ts"

export class Pipeline {
  /** Requests of this turn, which are written together at its end. */
  #gathered: Buffer[] | undefined
  /** Exchanges whose requests have been written behind the current one's, in order. Never empty. */
  #followers: BackendEvents[] | undefined

  /** Requests are gathered, until `takeGathered`. */
  get isGathering(): boolean {
    return this.#gathered !== undefined
  }

  /** Exchanges wait behind the current one. */
  get hasFollowers(): boolean {
    return this.#followers !== undefined
  }

  /** One more request may be gathered, `depth` in all. */
  hasRoom(depth: number): boolean {
    return this.#gathered !== undefined && this.#gathered.length < depth
  }

  gather(): void {
    this.#gathered = []
  }

  /** Another exchange waits behind those that there are. */
  follow(exchange: BackendEvents): void {
    this.#followers ??= []
    this.#followers.push(exchange)
  }

  /** A whole request. */
  add(request: Buffer): void {
    this.#gathered!.push(request)
  }

  /** What is to be written, in one; undefined when that is nothing. */
  takeGathered(): Buffer | undefined {
    const gathered = this.#gathered
    this.#gathered = undefined
    if (gathered === undefined || gathered.length === 0) return undefined
    return gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered)
  }

  /** The exchange whose response follows; undefined when no other waits. */
  next(): BackendEvents | undefined {
    const next = this.#followers?.shift()
    if (this.#followers?.length === 0) this.#followers = undefined
    return next
  }

  /** All that wait, which wait no more. */
  takeFollowers(): readonly BackendEvents[] {
    const followers = this.#followers ?? []
    this.#followers = undefined
    return followers
  }

  /** A follower's client has gone: its response comes all the same, between those of others. False when it is none. */
  ignore(exchange: BackendEvents): boolean {
    const index = this.#followers?.indexOf(exchange) ?? -1
    if (index === -1) return false
    this.#followers![index] = new IgnoredResponse(exchange)
    return true
  }
}

/** Takes the response to a request of a client that has gone, so that those behind it get theirs. */
export class IgnoredResponse implements BackendEvents {
  readonly isHead: boolean
  readonly takesChunks: boolean
  readonly takesTrailers = false
  readonly upgrades = false
  readonly isHolding = false

  constructor({ isHead, takesChunks }: BackendEvents) {
    this.isHead = isHead
    this.takesChunks = takesChunks
  }

  onBackendReady(): void {}
  onBackendDrain(): void {}
  onInterim(): void {}
  onWholeResponse(): boolean {
    return false
  }
  onResponseHead(): boolean {
    return false
  }
  onResponseBody(): void {}
  onTrailers(): void {}
  onResponseEnd(): void {}
  onTunnel(): void {}
  onBackendBytes(): void {}
  onBackendEnd(): void {}
  onBackendFailed(): void {}
}
