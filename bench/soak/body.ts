/** Bodies of any size that both ends can check: made as they are sent, counted and summed as they come. */
import type { Socket } from "node:net"
import { crc32 } from "node:zlib"
import { seeded } from "../../src/core/rng.ts"

const blockBytes = 256 * 1024

export type Framing = "length" | "chunked" | "close"

export const framings: readonly Framing[] = ["length", "chunked", "close"]

/** Noise, the same in every process. */
const noise = Buffer.alloc(blockBytes)
const rng = seeded(1)
for (let i = 0; i < blockBytes; i++) noise[i] = rng.below(256)

/** The field that says so; none for the end of the connection. */
export function framingField(framing: Framing, bytes: number): string {
  if (framing === "length") return `Content-Length: ${bytes}\r\n`
  return framing === "chunked" ? "Transfer-Encoding: chunked\r\n" : ""
}

/** Writes a body as fast as the other side takes it; returns its checksum. Stops when the connection is gone. */
export async function sendBody(socket: Socket, framing: Framing, bytes: number): Promise<number> {
  let sum = 0
  for (let sent = 0; sent < bytes && !socket.destroyed;) {
    const block = blockAt(sent, Math.min(blockBytes, bytes - sent))
    sum = crc32(block, sum)
    sent += block.length
    socket.cork()
    if (framing === "chunked") socket.write(`${block.length.toString(16)}\r\n`)
    let goesOn = socket.write(block)
    if (framing === "chunked") goesOn = socket.write("\r\n")
    socket.uncork()
    if (!goesOn) await drained(socket)
  }
  if (framing === "chunked") socket.write("0\r\n\r\n")
  return sum
}

/** The checksum of a body of this size. */
export function sumOf(bytes: number): number {
  let sum = 0
  for (let at = 0; at < bytes; at += blockBytes)
    sum = crc32(blockAt(at, Math.min(blockBytes, bytes - at)), sum)
  return sum
}

/** No two blocks of a body are the same, so that none can be lost, doubled or swapped unseen. */
function blockAt(at: number, length: number): Buffer {
  const block = Buffer.from(noise.subarray(0, length))
  if (length >= 8) block.writeDoubleLE(at)
  return block
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done)
      resolve()
    }
    socket.once("drain", done).once("close", done)
  })
}

/** Takes a body apart as it comes. Shares nothing with the balancer's own reader. */
export class BodyTaker {
  bytes = 0
  sum = 0
  isComplete: boolean
  readonly #framing: Framing
  readonly #length: number
  /** Of a chunk: what is left of its data and the line end behind it; -1 while its size line is being read. */
  #left = -1
  #line = ""

  constructor(framing: Framing, length: number) {
    this.#framing = framing
    this.#length = length
    this.isComplete = framing === "length" && length === 0
  }

  take(bytes: Buffer): void {
    if (this.#framing === "chunked") this.#takeChunked(bytes)
    else this.#count(bytes)
    if (this.#framing === "length" && this.bytes >= this.#length) this.isComplete = true
  }

  /** The connection has ended in order. */
  end(): void {
    if (this.#framing === "close") this.isComplete = true
  }

  #count(data: Buffer): void {
    this.bytes += data.length
    this.sum = crc32(data, this.sum)
  }

  #takeChunked(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.isComplete;) {
      if (this.#left === -1) {
        const end = bytes.indexOf(10, at)
        this.#line += bytes.toString("latin1", at, end === -1 ? bytes.length : end + 1)
        at = end === -1 ? bytes.length : end + 1
        if (end === -1) continue
        const size = Number.parseInt(this.#line, 16)
        this.#line = ""
        this.#left = size + 2
        this.isComplete = size === 0
        continue
      }
      const taken = Math.min(this.#left, bytes.length - at)
      const data = Math.min(taken, Math.max(0, this.#left - 2))
      if (data > 0) this.#count(bytes.subarray(at, at + data))
      this.#left -= taken
      at += taken
      if (this.#left === 0) this.#left = -1
    }
  }
}
