/**
 * The DNS names of backends, resolved when somebody dials.
 *
 * The system's resolver (getaddrinfo: /etc/hosts, nsswitch, DNS) answers without a time to live, waits for seconds
 * when a name server is gone, and has two threads for the whole process. So each name is asked for at most once at a
 * time, an answer counts for `ttlMs`, and an older one goes on counting while a new one is asked for, and for as
 * long as none is to be had: a backend that renews its lease lives, whatever becomes of the name server. Only who
 * asks for a name that nobody has asked for lately waits. Compare RFC 8767, which lets resolvers serve stale data.
 */
import type { LookupAddress, LookupOptions } from "node:dns"
import type { Clock, Millis } from "../core/clock.ts"

/** Asks the system: all addresses of the name, in the order in which they should be tried. */
export type Resolve = (
  name: string,
  answer: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** What `net.connect` takes as `lookup`. */
export type Lookup = (
  name: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void

type Callback = Parameters<Lookup>[2]

interface Waiting {
  readonly all: boolean
  readonly callback: Callback
}

interface Name {
  /** The last that were found; none when the name was never resolved. */
  addresses: LookupAddress[]
  /** When they were found. */
  foundAt: Millis
  /** Why the last asking failed, undefined when it did not. */
  error: NodeJS.ErrnoException | undefined
  /** From when on the system is asked again. */
  askAt: Millis
  /** Since when the system is being asked; undefined when it is not. */
  askingSince: Millis | undefined
  waiting: Waiting[]
}

/** A name that could not be resolved is not asked for again for so long. */
export const failureMs = 1_000
/** Addresses older than this are used only once it has turned out that none newer come soon. */
export const staleMs = 60_000
/** The system is slow when it has not answered for so long. */
export const slowMs = 500
/** Names that are remembered. The backends of a fleet; more are resolved too, but forgotten earlier. */
export const namesMax = 4_096

export class NameCache {
  readonly #ttlMs: Millis
  readonly #clock: Clock
  readonly #resolve: Resolve
  readonly #names = new Map<string, Name>()

  constructor(ttlMs: Millis, clock: Clock, resolve: Resolve) {
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#resolve = resolve
  }

  readonly lookup: Lookup = (text, options, callback) => {
    const now = this.#clock.now()
    const name = this.#names.get(text) ?? this.#add(text, now)
    const waiting = { all: options.all === true, callback }
    if (now >= name.askAt && name.askingSince === undefined) this.#ask(text, name, now)
    if (isUsable(name, now)) answer(name, waiting)
    else name.waiting.push(waiting)
  }

  #add(text: string, now: Millis): Name {
    if (this.#names.size >= namesMax) this.#forgetOne()
    const name: Name = {
      addresses: [],
      foundAt: now,
      error: undefined,
      askAt: now,
      askingSince: undefined,
      waiting: [],
    }
    this.#names.set(text, name)
    return name
  }

  /** The one that has been known for longest. Whoever waits for it is answered all the same. */
  #forgetOne(): void {
    for (const text of this.#names.keys()) {
      this.#names.delete(text)
      return
    }
  }

  #ask(text: string, name: Name, now: Millis): void {
    name.askingSince = now
    this.#resolve(text, (error, addresses) => {
      const at = this.#clock.now()
      name.askingSince = undefined
      if (error === null && addresses.length > 0) {
        name.addresses = addresses
        name.foundAt = at
        name.error = undefined
        name.askAt = at + this.#ttlMs
      } else {
        name.error = error ?? noAddress(text)
        name.askAt = at + failureMs
      }
      const { waiting } = name
      name.waiting = []
      for (const one of waiting) answer(name, one)
    })
  }
}

/** Whether there is something to say now, be it that the name cannot be resolved. */
function isUsable(name: Name, now: Millis): boolean {
  if (name.askingSince === undefined) return true
  if (name.addresses.length === 0) return false
  return now - name.foundAt < staleMs || now - name.askingSince >= slowMs
}

function answer({ addresses, error }: Name, { all, callback }: Waiting): void {
  const [first] = addresses
  if (first === undefined) callback(error ?? null, [])
  else if (all) callback(null, addresses)
  else callback(null, first.address, first.family)
}

function noAddress(name: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${name} has no address`)
  error.code = "ENODATA"
  error.syscall = "getaddrinfo"
  return error
}
