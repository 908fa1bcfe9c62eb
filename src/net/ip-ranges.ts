/** Lists of addresses and CIDR ranges that can be asked whether a peer is in them. */
import { BlockList, isIP } from "node:net"

/**
 * The addresses and CIDR ranges as a list that can be asked.
 *
 * @param setting what to blame: `admin.allow`
 * @throws RangeError on anything else.
 */
export function rangesOf(allow: readonly string[], setting: string): BlockList {
  const ranges = new BlockList()
  for (const range of allow) {
    const [address = "", bits] = range.split("/")
    const family = isIP(address)
    const max = family === 6 ? 128 : 32
    const length = bits === undefined ? max : Number(bits)
    if (family === 0 || !Number.isInteger(length) || length < 0 || length > max || bits === "") {
      throw new RangeError(`${setting}: "${range}" is not an IP address or a CIDR range such as 10.0.0.0/8`)
    }
    ranges.addSubnet(address, length, family === 6 ? "ipv6" : "ipv4")
  }
  return ranges
}

/** Whether the peer's address is in the ranges; what is no IP address is in none. */
export function contains(ranges: BlockList, peer: string): boolean {
  const family = isIP(peer)
  return family !== 0 && ranges.check(peer, family === 6 ? "ipv6" : "ipv4")
}
