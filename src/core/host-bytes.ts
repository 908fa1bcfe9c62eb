/**
 * Hot path, where some rule asks for a host: the host of a request in its normal form (core/host.ts), as bytes, without
 * a string for all but the oddest spellings.
 */
import { normalHost, splitAuthority } from "./host.ts"

/** The longest host that a rule can have (RFC 1035 2.3.4), with its dot. */
const hostBytesMax = 254

const COLON = 0x3a
const DOT = 0x2e
const PERCENT = 0x25
const BRACKET = 0x5b

const encoder = new TextEncoder()
const decoder = new TextDecoder("latin1")

/** One per thread: what was read last stays until the next reading. */
export class HostBytes {
  readonly bytes: Uint8Array = new Uint8Array(hostBytesMax)
  /** How many bytes of it are the host; 0 where there is none that a rule could have. */
  length = 0

  /** Reads `host [":" port]` at bytes[start..end). */
  read(bytes: Uint8Array, start: number, end: number): void {
    const into = this.bytes
    let length = 0
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte === COLON) break
      if (byte === PERCENT || byte === BRACKET) {
        this.#readOddly(bytes, start, end)
        return
      }
      if (length === hostBytesMax) {
        this.length = 0
        return
      }
      into[length++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    }
    this.length = length > 1 && into[length - 1] === DOT ? length - 1 : length
  }

  #readOddly(bytes: Uint8Array, start: number, end: number): void {
    const host = normalHost(splitAuthority(decoder.decode(bytes.subarray(start, end))).host)
    const { read, written } = encoder.encodeInto(host, this.bytes)
    this.length = read === host.length ? written : 0
  }
}
