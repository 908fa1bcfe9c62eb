/**
 * Hot path: a connection whose other side no longer takes anything may still have said something.
 *
 * A backend that refuses an upload responds and closes without reading the rest, which resets the connection (RFC 9112
 * 9.6). The response is in the kernel's buffer by then, but Node.js destroys a socket when a write fails, and the
 * response with it. Here a failed write is held back instead, and reading goes on.
 */
import type { Socket } from "node:net"

type Written = (error?: Error | null) => void

/**
 * From now on a failed write does not destroy the socket but tells `onFailed`: the socket takes no more, and goes on
 * reading. The system reports a reset once; since the write has heard of it, reading may end as if the other side
 * had ended in order. Uses the hooks that streams have for their implementers; one write is under way at a
 * time, so one callback per socket is enough.
 */
export function outliveWriteErrors(socket: Socket, onFailed: () => void): void {
  let written: Written | undefined
  const onWritten: Written = (error) => {
    if (error !== undefined && error !== null) {
      onFailed()
      return
    }
    const done = written!
    written = undefined
    done()
  }
  // The underscores are the streams' own names for these hooks.
  /* oxlint-disable eslint/no-underscore-dangle */
  const write = socket._write.bind(socket)
  socket._write = (chunk, encoding, done) => {
    written = done
    write(chunk, encoding, onWritten)
  }
  const writev = socket._writev!.bind(socket)
  socket._writev = (chunks, done) => {
    written = done
    writev(chunks, onWritten)
  }
  /* oxlint-enable eslint/no-underscore-dangle */
}
