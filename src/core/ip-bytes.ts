/** IP addresses as the bytes that binary protocols carry, and back as text. */
import { isIpv4, isIpv6 } from "./endpoint.ts"

/** The 4 or 16 bytes of an address in network order; undefined when the text is none (a zone makes it none). */
export function ipBytes(text: string): Uint8Array | undefined {
  if (isIpv4(text)) return Uint8Array.from(text.split("."), Number)
  return isIpv6(text) ? ipv6Bytes(text) : undefined
}

/** The text of 4 or 16 bytes: dotted decimal, or lower case with the longest run of zeros left out (RFC 5952 4). */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".")
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!)
  const mapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
  if (mapped) return `::ffff:${bytes.subarray(12).join(".")}`
  const [start, length] = longestZeros(groups)
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":")
  return length < 2 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`
}

function ipv6Bytes(text: string): Uint8Array {
  const [head = "", tail] = text.split("::")
  const before = groupsOf(head)
  const after = groupsOf(tail ?? "")
  const gap = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return Uint8Array.from([...before, ...gap, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

function groupsOf(text: string): number[] {
  if (text === "") return []
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)]
    const [a, b, c, d] = part.split(".").map(Number)
    return [(a! << 8) | b!, (c! << 8) | d!]
  })
}

/** Where the first of the longest runs of zero groups starts, and how many it has. */
function longestZeros(groups: readonly number[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0]
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (end < groups.length && groups[end] === 0) end++
    if (end - start > best[1]) best = [start, end - start]
  }
  return best
}
