/**
 * Hot path: bytes of a socket handed over as they are read, past the queue of its readable side.
 *
 * A `data` listener costs a queue entry, a scheduled call and a second read per chunk. They keep an order that a reader
 * does not need when it takes every chunk at once. Node.js hands each read to the socket's `push`; here that is ours.
 * With `onread` for backends it took a relay that does nothing else from 37 to 29 µs of CPU per request
 * (docs/decisions/0005). A Node.js that pushes elsewhere is no harm: what reaches the queue all the same comes as
 * `data`.
 *
 * For sockets that a server has accepted; those that we connect take `onread` instead (backend-connection.ts).
 */
import type { Socket } from "node:net"
import { Readable } from "node:stream"

const nothing = Buffer.alloc(0)

/**
 * Calls `take` with all that comes, in order. When it returns false no more is read until `readOn`; a chunk that was
 * read before that may still come. The end comes as the socket's `end`, after the last bytes.
 */
export function readDirectly(socket: Socket, take: (bytes: Buffer) => boolean): void {
  socket.push = (bytes: Buffer | null) =>
    bytes === null ? Readable.prototype.push.call(socket, null) : take(bytes)
  socket.on("data", (bytes: Buffer) => {
    if (!take(bytes)) socket.pause()
  })
}

/** Reads again after `take` has said no. An empty push ends the read that the socket thinks is still under way. */
export function readOn(socket: Socket): void {
  Readable.prototype.push.call(socket, nothing)
  if (socket.isPaused()) socket.resume()
}
