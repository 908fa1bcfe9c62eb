/**
 * The DNS names of backends, resolved when a connection is to be made, and while connections to them are open.
 *
 * Addresses are taken without a time to live, since /etc/hosts has none, and name servers may be gone for a while. So
 * each name is asked for at most once at a time, its addresses count for `ttlMs`, and go on counting while it is asked
 * for again. While it cannot be resolved they count for `keepMs` in all: a backend that renews its lease lives on while
 * the name server is away. Only a request for a name that was not asked for lately waits. Compare RFC 8767, which lets
 * resolvers serve stale data.
 */
import type { LookupAddress } from "node:dns"
import type { Clock, Millis } from "../core/clock.ts"
import { formatDuration } from "../text/duration.ts"

/** Asks for all addresses of the name, in the order in which they should be tried. */
export type Resolve = (
  name: string,
  answer: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** Gets the addresses in the order in which they are to be dialled, at least one; or why there are none. */
export type OnAddresses = (error: NodeJS.ErrnoException | undefined, addresses: readonly string[]) => void

export interface NameCacheOptions {
  readonly ttlMs: Millis
  readonly keepMs: Millis
  readonly clock: Clock
  readonly resolve: Resolve
  /** One line for a person: a name fails of which addresses are known, or is found again. */
  readonly log?: ((line: string) => void) | undefined
}

interface Name {
  /** The last that were found; none when the name was never resolved, or too long ago. */
  addresses: readonly string[]
  /** How many times in a row each address was missing that still counts as one of the name's. */
  missing: Map<string, number>
  /** When they were found. */
  foundAt: Millis
  /** Why the last asking failed, undefined when it did not. */
  error: NodeJS.ErrnoException | undefined
  /** From when on it is asked for again. */
  askAt: Millis
  /** Since when it is being asked for; undefined when it is not. */
  askingSince: Millis | undefined
  waiting: OnAddresses[]
}

/** A name that could not be resolved is not asked for again for so long; nor is any because of open connections. */
const failureMs = 1_000
/** Addresses older than this are used only once it has turned out that none newer come soon. */
const staleMs = 60_000
/** The system is slow when it has not responded for so long. */
const slowMs = 500
/** Names that are remembered: as many as there can be backends. More are resolved too, but forgotten earlier. */
const namesMax = 65_536
/**
 * An address has left its name when it was missing so many times in a row: servers with many addresses for a name
 * may give some of them at a time, in turn.
 */
const answersWithout = 3

export class NameCache {
  readonly #options: NameCacheOptions
  readonly #names = new Map<string, Name>()

  constructor(options: NameCacheOptions) {
    this.#options = options
  }

  /** The addresses of a name: at once, if they are known well enough, else when they are found. */
  find(text: string, found: OnAddresses): void {
    const now = this.#options.clock.now()
    const name = this.#names.get(text) ?? this.#add(text, now)
    this.#expire(text, name, now)
    if (now >= name.askAt && name.askingSince === undefined) this.#ask(text, name, now)
    if (isUsable(name, now)) found(name.addresses.length === 0 ? name.error : undefined, name.addresses)
    else name.waiting.push(found)
  }

  /** Connections to addresses of this name are open: it is asked for again when its time is over. Cold. */
  follow(text: string): void {
    const name = this.#names.get(text)
    const now = this.#options.clock.now()
    if (name === undefined) {
      this.find(text, () => {})
      return
    }
    this.#expire(text, name, now)
    const askAt = Math.max(name.askAt, name.foundAt + failureMs)
    if (now >= askAt && name.askingSince === undefined) this.#ask(text, name, now)
  }

  /** Whether an address was the name's and is so no more. False while nothing is known of the name. */
  hasLeft(text: string, address: string): boolean {
    const missing = this.#names.get(text)?.missing
    return missing !== undefined && missing.size > 0 && !missing.has(address)
  }

  #add(text: string, now: Millis): Name {
    if (this.#names.size >= namesMax) this.#forgetOne()
    const name: Name = {
      addresses: [],
      missing: new Map(),
      foundAt: -Infinity,
      error: undefined,
      askAt: now,
      askingSince: undefined,
      waiting: [],
    }
    this.#names.set(text, name)
    return name
  }

  /** The one that has been known for longest. Those that wait for it are told all the same. */
  #forgetOne(): void {
    for (const text of this.#names.keys()) {
      this.#names.delete(text)
      return
    }
  }

  #expire(text: string, name: Name, now: Millis): void {
    const { keepMs, log, ttlMs } = this.#options
    if (name.addresses.length === 0 || now - name.foundAt < Math.max(keepMs, ttlMs)) return
    if (name.error !== undefined) log?.(`the name ${text} has no addresses any more (${codeOf(name.error)})`)
    name.addresses = []
    name.missing.clear()
  }

  #ask(text: string, name: Name, now: Millis): void {
    name.askingSince = now
    this.#options.resolve(text, (error, addresses) => {
      name.askingSince = undefined
      const at = this.#options.clock.now()
      if (error === null && addresses.length > 0) this.#found(text, name, inTurns(addresses), at)
      else this.#failed(text, name, error ?? noAddress(text), at)
      const { waiting } = name
      name.waiting = []
      for (const found of waiting) found(name.addresses.length === 0 ? name.error : undefined, name.addresses)
    })
  }

  #found(text: string, name: Name, addresses: readonly string[], at: Millis): void {
    if (name.error !== undefined && name.foundAt !== -Infinity)
      this.#options.log?.(`the name ${text} is resolved again, to ${addresses.join(", ")}`)
    name.addresses = addresses
    name.foundAt = at
    name.error = undefined
    name.askAt = at + this.#options.ttlMs
    for (const [address, answers] of name.missing) {
      if (answers + 1 >= answersWithout) name.missing.delete(address)
      else name.missing.set(address, answers + 1)
    }
    for (const address of addresses) name.missing.set(address, 0)
  }

  #failed(text: string, name: Name, error: NodeJS.ErrnoException, at: Millis): void {
    const { keepMs, log } = this.#options
    if (name.error === undefined && name.addresses.length > 0) {
      log?.(
        `the name ${text} cannot be resolved (${codeOf(error)}): its last addresses, ${name.addresses.join(", ")}, ` +
          `count for ${formatDuration(keepMs)}`,
      )
    }
    name.error = error
    name.askAt = at + failureMs
  }
}

/** Whether there is something to say now, be it that the name cannot be resolved. */
function isUsable(name: Name, now: Millis): boolean {
  if (name.askingSince === undefined) return true
  if (name.addresses.length === 0) return false
  return now - name.foundAt < staleMs || now - name.askingSince >= slowMs
}

/**
 * The families by turns, beginning with the first address's, so that a family without a way costs little (RFC 8305 4).
 */
function inTurns(addresses: readonly LookupAddress[]): readonly string[] {
  const [first] = addresses
  const same = addresses.filter(({ family }) => family === first?.family)
  const other = addresses.filter(({ family }) => family !== first?.family)
  return Array.from({ length: Math.max(same.length, other.length) }, (_, i) => [same[i], other[i]])
    .flat()
    .flatMap((one) => (one === undefined ? [] : [one.address]))
}

function codeOf({ code, message }: NodeJS.ErrnoException): string {
  return code ?? message
}

/** As it is called where a name has no address. */
export function noAddress(name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${name} has no address`), { code: "ENODATA", syscall: "getaddrinfo" })
}
