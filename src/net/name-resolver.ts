/**
 * How names become addresses without the system's resolver: /etc/hosts, then DNS, asked as /etc/resolv.conf says.
 *
 * `getaddrinfo` blocks a thread until the name servers have responded or been given up, 10 s and more, and libuv has
 * two threads for it in the whole process: two names whose servers are silent would keep all others waiting, also those
 * that stand in /etc/hosts. Here each name waits for its own servers only, in each thread's own event loop (c-ares).
 * What the system knows from elsewhere (nsswitch.conf: mDNS, LDAP, systemd-resolved) is asked of it for names that DNS
 * has said it does not know, and where there is no name server at all: then none is silent, so that it does not take
 * long.
 *
 * The order of addresses follows RFC 6724 in what matters here: IPv6 first where this machine has a global address,
 * but IPv4 before unique local ones (rules 2 and 6); a dial tries both (RFC 8305).
 */
import { type LookupAddress, lookup } from "node:dns"
import { isIP } from "node:net"
import { networkInterfaces } from "node:os"
import type { Millis } from "../core/clock.ts"
import { normalHost } from "../core/host.ts"
import type { Timers } from "../system.ts"
import { ParsedFile } from "./file-stamp.ts"
import { noAddress, type Resolve } from "./name-cache.ts"
import { NameServers } from "./dns/name-servers.ts"
import { candidatesOf, parseHosts, parseNameSources, type ResolvConf } from "./system-names.ts"

/**
 * When one family's addresses are there, the other's have this long (RFC 8305 3 has 50 ms for a browser; what is found
 * here is kept for a while, and some servers never respond for IPv6).
 */
const familyGraceMs: Millis = 250

/** One question for one family. */
export type Query = (
  family: 4 | 6,
  name: string,
  answer: (error: NodeJS.ErrnoException | null, addresses: readonly string[]) => void,
) => void

/** What a resolver needs of the system. */
export interface NameSystem {
  readonly timers: Timers
  readonly hosts: () => ReturnType<typeof parseHosts>
  readonly resolvConf: () => ResolvConf
  /** As nsswitch.conf names them. */
  readonly sources: () => readonly string[]
  /** Asks the name servers. */
  readonly query: Query
  /** The system's own resolver. */
  readonly getaddrinfo: Resolve
  /** Whether this machine has a global IPv6 address. */
  readonly hasIpv6: () => boolean
}

type Resolved = Parameters<Resolve>[1]

export class NameResolver {
  readonly #system: NameSystem

  constructor(system: NameSystem) {
    this.#system = system
  }

  readonly resolve: Resolve = (name, answer) => {
    const { getaddrinfo, hosts, hasIpv6, resolvConf } = this.#system
    const plain = normalHost(name)
    const known = hosts().get(plain) ?? localhostOf(plain)
    if (known !== undefined) {
      answer(null, sorted(known, hasIpv6()))
      return
    }
    const others = this.#others()
    // Names of this kind are no business of DNS where mDNS is spoken (RFC 6762 3).
    if (plain.endsWith(".local") && others.some((source) => source.startsWith("mdns")))
      getaddrinfo(name, answer)
    else {
      this.#search(candidatesOf(name, resolvConf()), undefined, (error, addresses) => {
        const isOpen = error !== null && (isUnknown(error) || error.code === "ECONNREFUSED")
        if (isOpen && others.length > 0) getaddrinfo(name, answer)
        else answer(error, addresses)
      })
    }
  }

  /** Where the system looks besides. */
  #others(): readonly string[] {
    return this.#system.sources().filter((source) => source !== "files" && source !== "dns")
  }

  /** Asks for one name after the other, until one has addresses or the servers do not respond. */
  #search(
    [name, ...rest]: readonly string[],
    failed: NodeJS.ErrnoException | undefined,
    answer: Resolved,
  ): void {
    if (name === undefined) {
      answer(failed ?? noAddress(""), [])
      return
    }
    this.#askBoth(name, (error, addresses) => {
      if (error === null || isSilence(error)) answer(error, addresses)
      // A server that fails for one name of the list may know the next; that it failed is what counts in the end.
      else this.#search(rest, failed === undefined || isUnknown(failed) ? error : failed, answer)
    })
  }

  #askBoth(name: string, answer: Resolved): void {
    const { hasIpv6, query, timers } = this.#system
    const found: string[] = []
    let error: NodeJS.ErrnoException | undefined
    let open = 2
    let cancel: (() => void) | undefined
    const end = (): void => {
      open = 0
      cancel?.()
      if (found.length > 0) answer(null, sorted(found, hasIpv6()))
      else answer(error ?? noAddress(name), [])
    }
    for (const family of [4, 6] as const) {
      query(family, name, (failed, addresses) => {
        if (open === 0) return
        open--
        // That a server failed says more than that there are no addresses of the other family.
        if (failed !== null && (error === undefined || isUnknown(error))) error = failed
        found.push(...addresses)
        if (open === 0) end()
        else if (found.length > 0) cancel = timers.set(familyGraceMs, end, { unref: true })
      })
    }
  }
}

/** The real system, and how its open questions are given up. */
export function nameSystem(timers: Timers): NameSystem & { readonly close: () => void } {
  const hosts = new ParsedFile("/etc/hosts", parseHosts)
  const sources = new ParsedFile("/etc/nsswitch.conf", parseNameSources)
  const servers = new NameServers()
  return {
    timers,
    hosts: () => hosts.value,
    resolvConf: () => servers.conf,
    // Other systems have sources of their own, whatever such a file says.
    sources: () => (process.platform === "linux" ? sources.value : ["system"]),
    query: (family, name, answer) => {
      const answered = (error: NodeJS.ErrnoException | null, addresses?: string[]): void =>
        answer(error, addresses ?? [])
      if (family === 4) servers.resolver.resolve4(name, answered)
      else servers.resolver.resolve6(name, answered)
    },
    getaddrinfo: askSystem,
    hasIpv6: hasGlobalIpv6,
    close: () => servers.cancel(),
  }
}

/** By getaddrinfo. In the order that it gives: that of RFC 6724. */
export function askSystem(name: string, answer: Resolved): void {
  lookup(name, { all: true, order: "verbatim" }, (error, addresses) => answer(error, addresses ?? []))
}

/** It is known that there is nothing, as far as DNS goes. */
export function isUnknown({ code }: NodeJS.ErrnoException): boolean {
  return code === "ENOTFOUND" || code === "ENODATA"
}

/** No server can be asked: with another name it would take as long again. */
function isSilence({ code }: NodeJS.ErrnoException): boolean {
  return code === "ETIMEOUT" || code === "ECONNREFUSED" || code === "ECANCELLED"
}

/** What these names mean wherever they are not in /etc/hosts (RFC 6761 6.3). */
function localhostOf(name: string): readonly string[] | undefined {
  return name === "localhost" || name.endsWith(".localhost") ? ["127.0.0.1", "::1"] : undefined
}

/** In the order in which they should be tried. */
function sorted(addresses: readonly string[], hasIpv6: boolean): LookupAddress[] {
  const all = addresses.map((address) => ({ address, family: isIP(address) }))
  const rank = ({ address, family }: LookupAddress): number =>
    family === 4 ? 1 : isLoopbackIpv6(address) || (hasIpv6 && !isUniqueLocal(address)) ? 0 : 2
  return all.toSorted((a, b) => rank(a) - rank(b))
}

function hasGlobalIpv6(): boolean {
  return Object.values(networkInterfaces()).some((all) =>
    all?.some(
      ({ address, family, internal, scopeid }) =>
        family === "IPv6" && !internal && scopeid === 0 && !isUniqueLocal(address),
    ),
  )
}

/** fc00::/7 (RFC 4193). */
function isUniqueLocal(address: string): boolean {
  return /^f[cd][0-9a-f]{2}:/i.test(address)
}

function isLoopbackIpv6(address: string): boolean {
  return address === "::1"
}
