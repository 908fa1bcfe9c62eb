/** As much of RFC 6455 as an echo needs: whole frames, masked by the client, unmasked by the server. */
import { createHash } from "node:crypto"

export const binary = 2
export const close = 8

export interface Frame {
  readonly kind: number
  readonly payload: Buffer
}

/** RFC 6455 4.2.2: what the server returns for Sec-WebSocket-Key. */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
}

export function frameOf(kind: number, payload: Buffer, mask?: Buffer): Buffer {
  const { length } = payload
  const wide = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + wide)
  head[0] = 0x80 | kind
  head[1] = (mask === undefined ? 0 : 0x80) | (wide === 0 ? length : wide === 2 ? 126 : 127)
  if (wide === 2) head.writeUInt16BE(length, 2)
  if (wide === 8) head.writeBigUInt64BE(BigInt(length), 2)
  return mask === undefined
    ? Buffer.concat([head, payload])
    : Buffer.concat([head, mask, masked(payload, mask)])
}

/** Puts frames together from bytes that come in whatever pieces. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The frames that these bytes complete. */
  read(bytes: Buffer): Frame[] {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    for (let length = lengthOf(rest); length !== -1 && rest.length >= length; length = lengthOf(rest)) {
      frames.push(frameIn(rest.subarray(0, length)))
      rest = rest.subarray(length)
    }
    this.#rest = rest
    return frames
  }
}

/** How many bytes the frame takes that begins here; -1 when that cannot be seen yet. */
function lengthOf(bytes: Buffer): number {
  if (bytes.length < 2) return -1
  const short = bytes[1]! & 0x7f
  const wide = short === 126 ? 2 : short === 127 ? 8 : 0
  if (bytes.length < 2 + wide) return -1
  const length = wide === 0 ? short : wide === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  return 2 + wide + (bytes[1]! >= 0x80 ? 4 : 0) + length
}

function frameIn(bytes: Buffer): Frame {
  const isMasked = bytes[1]! >= 0x80
  const short = bytes[1]! & 0x7f
  const from = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
  const kind = bytes[0]! & 0x0f
  if (!isMasked) return { kind, payload: bytes.subarray(from) }
  return { kind, payload: masked(bytes.subarray(from + 4), bytes.subarray(from, from + 4)) }
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ mask[i & 3]!))
}
