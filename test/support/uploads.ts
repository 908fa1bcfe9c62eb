/** Clients that write all of their request before they read anything. */
import type { Wire } from "./relay.ts"

/** Far more than the kernels between keep for a connection. */
export const uploadBytes = 16_000_000
const block = Buffer.alloc(250_000, "x")
const chunk = Buffer.concat([Buffer.from("3d090\r\n"), block, Buffer.from("\r\n")])

/** The version and the framing of an upload of `uploadBytes`. */
export const framings = {
  "with a length": ["HTTP/1.1", `Content-Length: ${uploadBytes}`],
  "in chunks": ["HTTP/1.1", "Transfer-Encoding: chunked"],
  "over HTTP/1.0": ["HTTP/1.0", `Content-Length: ${uploadBytes}`],
} as const

/** Resolves when the last byte has been handed over, or the connection is gone; then it reads. */
export async function upload(wire: Wire, [version, framing]: readonly [string, string]): Promise<void> {
  const piece = framing.startsWith("Transfer") ? chunk : block
  wire.socket.pause()
  wire.send(`POST / ${version}\r\nHost: a\r\n${framing}\r\n\r\n`)
  for (let sent = 0; sent < uploadBytes && !wire.gone; sent += block.length) {
    if (wire.send(piece)) continue
    await Promise.race([new Promise((resolve) => wire.socket.once("drain", resolve)), wire.closed])
  }
  if (piece === chunk) wire.send("0\r\n\r\n")
  wire.socket.resume()
}
