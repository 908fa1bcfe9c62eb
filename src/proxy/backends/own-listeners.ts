/**
 * Where this balancer itself listens. Nothing is dialled there: a backend at such an address would be a loop, or would
 * serve the admin API and the registration to the clients of the traffic port, as if they came from this machine.
 *
 * What leads back through another machine (NAT, another proxy) cannot be seen here; Via shows such a loop.
 */
import { BlockList, isIP } from "node:net"
import { networkInterfaces } from "node:os"
import { type Endpoint, isLoopback } from "../../core/endpoint.ts"
import { contains } from "../../net/ip-ranges.ts"

/** The addresses of this machine's interfaces, IPv6 without zones. */
export type LocalAddresses = () => readonly string[]

export class OwnListeners {
  readonly #localAddresses: LocalAddresses
  #listeners: readonly Endpoint[] = []

  constructor(localAddresses: LocalAddresses = interfaceAddresses) {
    this.#localAddresses = localAddresses
  }

  /** The listeners with the ports that they really have. A host that is no IP address counts as every one. */
  replace(listeners: readonly Endpoint[]): void {
    this.#listeners = listeners
  }

  /**
   * Whether a connection to this host and port would end at one of them. A name other than localhost is not looked up:
   * what it leads to is asked when it is dialled. Loopback addresses count as one. Cold: once per connection.
   */
  has(host: string, port: number): boolean {
    return this.#listeners.some((listener) => listener.port === port && this.#leadsTo(listener, host))
  }

  #leadsTo(listener: Endpoint, host: string): boolean {
    const ip = host.split("%", 1)[0]!
    const isLocal = isLocalhost(ip) || contains(loopback, ip)
    // A wildcard, or a name whose addresses are not known here: every address of this machine.
    if (isIP(listener.host) === 0 ? !isLoopback(listener.host) : contains(unspecified, listener.host)) {
      return isLocal || contains(listOf(this.#localAddresses()), ip)
    }
    if (isLoopback(listener.host) || contains(loopback, listener.host)) return isLocal
    return contains(listOf([listener.host.split("%", 1)[0]!]), ip)
  }
}

/** The unspecified address is dialled as a loopback address. IPv4 within IPv6 is found among these too. */
const unspecified = listOf(["0.0.0.0", "::"])
const loopback = listOf(["0.0.0.0", "::", "::1"])
loopback.addSubnet("127.0.0.0", 8, "ipv4")

function listOf(addresses: readonly string[]): BlockList {
  const list = new BlockList()
  for (const address of addresses) list.addAddress(address, isIP(address) === 6 ? "ipv6" : "ipv4")
  return list
}

/** Names that are this machine by themselves (RFC 6761 6.3). */
function isLocalhost(name: string): boolean {
  return /^([^.]+\.)*localhost\.?$/i.test(name)
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address.split("%", 1)[0]!),
  )
}
