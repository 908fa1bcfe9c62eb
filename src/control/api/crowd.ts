/**
 * The connections of a listener of the control plane, at most so many. When one more comes, the one is ended that has
 * kept the listener waiting for longest: silent, in the middle of its request, or not taking its response. So a crowd
 * of slow and silent ones keeps health probes and backends away for no time at all. Cold.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

interface Guest {
  /** The last that has come. */
  request: IncomingMessage | undefined
  /** Requests whose response is not complete. */
  unanswered: number
}

/** Bounds the connections of a server to `connectionsMax`. */
export function boundCrowd(server: Server, connectionsMax: number): void {
  /** In the order in which something last happened on them. */
  const guests = new Map<Socket, Guest>()
  const moveToEnd = (socket: Socket, guest: Guest): void => {
    if (guests.delete(socket)) guests.set(socket, guest)
  }
  server.on("connection", (socket: Socket) => {
    if (guests.size >= connectionsMax && !endOne(guests)) {
      socket.destroy()
      return
    }
    guests.set(socket, { request: undefined, unanswered: 0 })
    socket.once("close", () => guests.delete(socket))
  })
  server.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    const guest = guests.get(socket)
    if (guest === undefined) return
    guest.request = request
    guest.unanswered++
    moveToEnd(socket, guest)
    response.once("close", () => {
      guest.unanswered--
      moveToEnd(socket, guest)
    })
  })
}

/** Ends the connection that has kept us waiting for longest; false when all of them wait for us. */
function endOne(guests: Map<Socket, Guest>): boolean {
  for (const [socket, guest] of guests) {
    if (!keepsUsWaiting(socket, guest)) continue
    guests.delete(socket)
    socket.destroy()
    return true
  }
  return false
}

function keepsUsWaiting(socket: Socket, { request, unanswered }: Guest): boolean {
  return unanswered === 0 || request?.complete !== true || socket.writableLength > 0
}
