/**
 * Where a listener is whose host is a name: at all addresses of the name, at one port. Node.js takes the first one
 * only, so that `localhost` would be one family, and clients that try the other would be refused.
 */
import { lookup } from "node:dns/promises"
import { isIP, type Server } from "node:net"
import type { Endpoint } from "../core/endpoint.ts"
import { normalHost } from "../core/host.ts"

/** A listener at one address. */
export interface Opened {
  readonly port: number
  close(): void
}

/** One address and the port to take there; host undefined is every interface, by IPv6 and IPv4. */
export interface ListenAddress {
  readonly host: string | undefined
  readonly port: number
}

/** The port at which a server listens; 0 when it does not, or at a path. */
export function portOf(server: Server): number {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** For a free port that has to be free at all addresses, several may have to be tried. */
const triesMax = 10

/**
 * Opens a listener at each address of the host. Those that this machine does not have (no IPv6, say) are passed over
 * as long as there is another; port 0 becomes the same free port at all of them.
 *
 * @param open rejects with the system's error
 * @throws the system's error when a port or no address at all is to be had, or the name cannot be resolved
 */
export async function openAll<T extends Opened>(
  { host, port }: Endpoint,
  open: (place: ListenAddress) => Promise<T>,
): Promise<readonly [T, ...T[]]> {
  const addresses = await addressesOf(host)
  for (let tries = 1; ; tries++) {
    const opened: T[] = []
    try {
      return await openEach(addresses, port, open, opened)
    } catch (error) {
      for (const one of opened) one.close()
      if (port !== 0 || codeOf(error) !== "EADDRINUSE" || tries >= triesMax) throw error
    }
  }
}

async function openEach<T extends Opened>(
  addresses: readonly (string | undefined)[],
  port: number,
  open: (place: ListenAddress) => Promise<T>,
  opened: T[],
): Promise<readonly [T, ...T[]]> {
  let missing: unknown
  for (const host of addresses) {
    try {
      opened.push(await open({ host, port: opened[0]?.port ?? port }))
    } catch (error) {
      if (!notHere.has(codeOf(error))) throw error
      missing ??= error
    }
  }
  const [first, ...others] = opened
  if (first === undefined) throw missing
  return [first, ...others]
}

async function addressesOf(host: string): Promise<readonly (string | undefined)[]> {
  if (host === "") return [undefined]
  // Whatever /etc/hosts says of it (RFC 6761 6.3): often it has one family only.
  if (normalHost(host) === "localhost") return ["127.0.0.1", "::1"]
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true, order: "verbatim" })
  return [...new Set(found.map(({ address }) => address))]
}

/** An address that is none of this machine's, or of a family that it does not have. */
const notHere: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"])

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ""
}
