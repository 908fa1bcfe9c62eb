/** Where an announcement may have requests sent. */
import { isIP } from "node:net"
import { addressExpected, formatAddress, isBelow, parseAddress } from "../../membership/address.ts"
import type { Address, TcpAddress, UnixAddress } from "../../membership/snapshot.ts"
import { isLoopback, plainIp } from "../../core/endpoint.ts"
import { ok, type Result } from "../../core/result.ts"
import { shown } from "../../text/issue.ts"
import { rangesOf } from "../../net/ip-ranges.ts"
import { type ApiError, refuse } from "../api/api-errors.ts"

export interface AddressRules {
  /** Whether a peer may announce an address that is not its own. */
  readonly allowForeignAddresses: boolean
  /** Folders in which Unix sockets may be announced; none without it. */
  readonly unixFolders?: readonly string[] | undefined
  /**
   * Whether the balancer itself listens there. Names are not looked up: what they lead to is asked when they are
   * dialled.
   */
  readonly isOwnListener?: (host: string, port: number) => boolean
}

/** What an address is refused with, besides `invalid_body`. */
export const addressErrors = ["address_not_allowed", "own_listener"] as const

type AddressError = ApiError<(typeof addressErrors)[number]>

/**
 * The address that `text` announces, from a peer with this IP address. Unless it is allowed, a peer may not have
 * traffic sent to others.
 */
export function announcedAddress(
  text: string,
  peer: string,
  rules: AddressRules,
): Result<Address, AddressError | ApiError<"invalid_body">> {
  const address = parseAddress(text)
  if (address !== undefined)
    return "path" in address ? unixAddress(address, peer, rules) : tcpAddress(address, peer, rules)
  const message = `address: expected ${addressExpected}, found ${shown(text)}`
  return refuse("invalid_body", message, "address")
}

function tcpAddress(
  { host, port }: TcpAddress,
  peer: string,
  rules: AddressRules,
): Result<Address, AddressError> {
  if (host === "") return elsewhere({ host: peer, port }, rules)
  const announced = plainIp(host)
  const isOfPeer = isSameIp(announced, peer) || (isLoopback(announced) && isLoopback(peer))
  if (isOfPeer || rules.allowForeignAddresses) return elsewhere({ host: announced, port }, rules)
  return notAllowed(
    `${announced} is not the peer's own ${peer}; announce ":${port}", or set registration.allowForeignAddresses`,
  )
}

/**
 * The address, unless the balancer itself listens there: requests would go round in a loop, or clients of the traffic
 * port would reach the admin API and the registration as if they were on this machine.
 */
export function elsewhere(
  address: TcpAddress,
  { isOwnListener }: AddressRules,
): Result<TcpAddress, ApiError<"own_listener">> {
  if (isOwnListener?.(address.host, address.port) !== true) return ok(address)
  const message = `address: the balancer itself listens at ${formatAddress(address)}`
  return refuse("own_listener", message, "address")
}

/**
 * A Unix socket has no peer address that could be compared, and it is opened with the balancer's rights: a peer
 * that could announce any path could have requests sent to, say, a container engine. So it has to be on the same machine
 * and in a folder that the operator has set aside for it.
 */
function unixAddress(
  address: UnixAddress,
  peer: string,
  { allowForeignAddresses, unixFolders = [] }: AddressRules,
): Result<Address, AddressError> {
  if (!isLoopback(peer) && !allowForeignAddresses)
    return notAllowed(`a Unix socket is on the balancer's machine, and ${peer} is not`)
  if (unixFolders.some((folder) => isBelow(folder, address.path))) return ok(address)
  return notAllowed(`${address.path} is in none of the folders of registration.unixFolders`)
}

function notAllowed(message: string): Result<never, AddressError> {
  return refuse("address_not_allowed", `address: ${message}`, "address")
}

/** Whether both are the same IP address, however IPv6 is written. */
function isSameIp(host: string, peer: string): boolean {
  if (host === peer) return true
  return (
    isIP(host) === 6 && isIP(peer) === 6 && rangesOf([peer.split("%", 1)[0]!], "peer").check(host, "ipv6")
  )
}
