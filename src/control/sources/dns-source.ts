/** Backends from DNS: each address of a name, or each target of a service. */
import type { Config } from "../../config/config.ts"
import type { Millis } from "../../core/clock.ts"
import { formatAddress } from "../../membership/address.ts"
import { type Registration, registrationLimits } from "../../membership/registration.ts"
import type { AskDns, DnsAnswer, DnsRecord } from "../../net/dns/dns-questions.ts"
import type { Timers } from "../../system.ts"
import type { Findings, Source } from "./source.ts"

export type DnsEntry = Config["discovery"]["dns"][number]

/** Whatever time to live an answer has, the name is asked for no sooner, and no later. */
const ttlMsMin: Millis = 1_000
const ttlMsMax: Millis = 3_600_000
/** Of answers that say none. */
const ttlMsDefault: Millis = 10_000
/** A name that could not be resolved is asked for again after this, or after its interval if that is less. */
const failureMs: Millis = 2_000

/**
 * Asks for one name again and again. Each answer counts as it is: what it no longer has leaves. An answer that has
 * nothing is a failure like any other, and what was found before stays: name servers that have lost a zone say just that,
 * and backends that have gone fail their checks.
 */
export class DnsSource implements Source {
  readonly kind = "dns"
  readonly name: string
  readonly #entry: DnsEntry
  readonly #dns: AskDns
  readonly #timers: Timers
  #backends: readonly Registration[] = []
  #cancel: (() => void) | undefined
  #isClosed = false

  constructor(entry: DnsEntry, dns: AskDns, timers: Timers) {
    this.name = `${entry.name} (${entry.type})`
    this.#entry = entry
    this.#dns = dns
    this.#timers = timers
  }

  start(found: (findings: Findings) => void): void {
    const { intervalMs, name, type } = this.#entry
    this.#dns.ask(type, name, (error, answer) => {
      if (this.#isClosed) return
      if (error === undefined) this.#backends = backendsOf(this.#entry.example, answer)
      const waitMs =
        error === undefined ? waitOf(answer, intervalMs) : Math.min(failureMs, intervalMs ?? failureMs)
      this.#cancel = this.#timers.set(waitMs, () => this.start(found), { unref: true })
      const problems = error === undefined ? [] : [this.#failure(error)]
      found({ backends: this.#backends, problems })
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
    this.#dns.close()
  }

  #failure({ code, message }: NodeJS.ErrnoException): string {
    const kept = this.#backends.length === 0 ? "nothing is known of it yet" : "what it had found stays"
    return `the name ${this.name} cannot be resolved (${code ?? message}); ${kept}`
  }
}

function waitOf({ ttlMs = ttlMsDefault }: DnsAnswer, intervalMs: Millis | undefined): Millis {
  return intervalMs ?? Math.min(Math.max(ttlMs, ttlMsMin), ttlMsMax)
}

/** In an order of their own, since servers give theirs in turn. */
function backendsOf(example: Registration, { records }: DnsAnswer): Registration[] {
  const services = records.flatMap(({ service }) => service ?? [])
  const priorities = [...new Set(services.map(({ priority }) => priority))].sort((a, b) => a - b)
  const heaviest = Math.max(...services.map(({ weight }) => weight))
  const backends = records.map(({ host, service }: DnsRecord): Registration => {
    if (service === undefined) return placed(example, host, portOf(example))
    const one = placed(example, host, service.port)
    const tier = priorities.indexOf(service.priority)
    const labels = tier === 0 ? one.labels : { tier: String(tier), ...one.labels }
    return { ...one, labels, weight: weightOf(service.weight, heaviest) }
  })
  return backends.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function placed(example: Registration, host: string, port: number): Registration {
  const address = { host, port }
  return { ...example, address, id: formatAddress(address).replaceAll(/[[\]]/g, "") }
}

function portOf({ address }: Registration): number {
  return "path" in address ? 0 : address.port
}

/** As the registry takes it. A weight of 0 is a very small share, and all are alike where all are 0 (RFC 2782). */
function weightOf(weight: number, heaviest: number): number {
  const { weightMax, weightMin } = registrationLimits
  if (heaviest === 0) return 1
  return Math.max(weightMin, weight * Math.min(1, weightMax / heaviest))
}
