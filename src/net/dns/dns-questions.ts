/** Questions to name servers about what is behind a name, with how long the answers count. */
import type { RecordWithTtl, Resolver } from "node:dns"
import type { Millis } from "../../core/clock.ts"
import { noAddress } from "../name-cache.ts"
import { isUnknown } from "../name-resolver.ts"
import { NameServers, resolverAt } from "./name-servers.ts"
import { candidatesOf } from "../system-names.ts"

export type RecordType = "A" | "AAAA" | "SRV"

/** An address, or the target of a service. */
export interface DnsRecord {
  readonly host: string
  /** Of a service; undefined of an address. */
  readonly service: { readonly port: number; readonly priority: number; readonly weight: number } | undefined
}

export interface DnsAnswer {
  /** At least one. */
  readonly records: readonly DnsRecord[]
  /** The least of the records; undefined with SRV, of which Node.js does not tell it. */
  readonly ttlMs: Millis | undefined
}

export type OnDnsAnswer = (error: NodeJS.ErrnoException | undefined, answer: DnsAnswer) => void

/** How names are asked for: `DnsQuestions` but in tests. */
export interface AskDns {
  ask(type: RecordType, name: string, answered: OnDnsAnswer): void
  /** Gives open questions up. */
  close(): void
}

const none: DnsAnswer = { records: [], ttlMs: undefined }

/**
 * Asks one name server, or those of /etc/resolv.conf with its `search` and `ndots`. Nothing but DNS is asked: /etc/hosts
 * has addresses of machines, and no services.
 */
export class DnsQuestions implements AskDns {
  readonly #own: Resolver | undefined
  readonly #system = new NameServers()

  /** @param server like 10.0.0.2 or 10.0.0.2:8600; of it only whole names are asked */
  constructor(server: string | undefined) {
    this.#own = server === undefined ? undefined : resolverAt(server)
  }

  ask(type: RecordType, name: string, answered: OnDnsAnswer): void {
    const whole = name.replace(/\.$/, "")
    if (this.#own !== undefined) askOne(this.#own, type, whole, answered)
    else askEach(this.#system.resolver, type, candidatesOf(name, this.#system.conf), answered)
  }

  close(): void {
    this.#own?.cancel()
    this.#system.cancel()
  }
}

/** One name after the other, until one has records or the servers do not respond. */
function askEach(
  resolver: Resolver,
  type: RecordType,
  [name, ...rest]: readonly string[],
  answered: OnDnsAnswer,
): void {
  askOne(resolver, type, name!, (error, answer) => {
    if (error === undefined || !isUnknown(error) || rest.length === 0) answered(error, answer)
    else askEach(resolver, type, rest, answered)
  })
}

function askOne(resolver: Resolver, type: RecordType, name: string, answered: OnDnsAnswer): void {
  if (type === "SRV") {
    resolver.resolveSrv(name, (error, found) => {
      // The target "." says that there is no such service (RFC 2782).
      const targets = (error === null ? found : []).filter(({ name: target }) => !/^\.?$/.test(target))
      const records = targets.map(({ name: host, port, priority, weight }): DnsRecord => {
        return { host, service: { port, priority, weight } }
      })
      tell(name, error, { records, ttlMs: undefined }, answered)
    })
    return
  }
  const taken = (error: NodeJS.ErrnoException | null, found: readonly RecordWithTtl[] | undefined): void => {
    const all = found ?? []
    const records = all.map(({ address }): DnsRecord => ({ host: address, service: undefined }))
    tell(name, error, { records, ttlMs: 1_000 * Math.min(...all.map(({ ttl }) => ttl)) }, answered)
  }
  if (type === "A") resolver.resolve4(name, { ttl: true }, taken)
  else resolver.resolve6(name, { ttl: true }, taken)
}

function tell(
  name: string,
  error: NodeJS.ErrnoException | null,
  answer: DnsAnswer,
  answered: OnDnsAnswer,
): void {
  if (error === null && answer.records.length > 0) answered(undefined, answer)
  else answered(error ?? noAddress(name), none)
}
