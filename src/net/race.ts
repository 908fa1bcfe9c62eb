/**
 * Several addresses of one backend, of which some may be slow or dead: Happy Eyeballs (RFC 8305 5).
 *
 * Node.js has this too, but ends an attempt when it begins the next (`autoSelectFamilyAttemptTimeout`): an address that
 * takes longer than that is never reached. Here attempts go on beside each other, the first that connects is taken, and
 * how long all of it may take is for the caller to say.
 */
import type { Socket } from "node:net"
import type { Millis } from "../core/clock.ts"
import type { Timers } from "../system.ts"

/** The Connection Attempt Delay that RFC 8305 5 recommends. */
const attemptDelayMs: Millis = 250

export interface Race {
  /** In the order in which they are tried; at least one. */
  readonly addresses: readonly string[]
  /** A socket that is connecting to the address. */
  readonly attempt: (address: string) => Socket
  readonly timers: Timers
  /** The first that has connected; what is to be read of it comes after this. Called within its `connect`. */
  readonly onWon: (socket: Socket, address: string) => void
  /** None has. */
  readonly onLost: (error: NodeJS.ErrnoException) => void
}

/** Begins to connect; returns what calls it off. Nothing is told after that, nor before this has returned. */
export function race({ addresses, attempt, onLost, onWon, timers }: Race): () => void {
  const running = new Set<Socket>()
  const errors: NodeJS.ErrnoException[] = []
  let next = 0
  let cancelTimer: (() => void) | undefined

  const end = (winner?: Socket): void => {
    cancelTimer?.()
    next = addresses.length
    for (const socket of running) if (socket !== winner) socket.destroy()
    running.clear()
  }
  const begin = (): void => {
    const address = addresses[next++]!
    const socket = attempt(address)
    running.add(socket)
    const onError = (error: NodeJS.ErrnoException): void => {
      if (!running.delete(socket)) return
      errors.push(error)
      if (next < addresses.length) {
        cancelTimer?.()
        begin()
      } else if (running.size === 0) onLost(mostTelling(errors))
    }
    socket.on("error", onError)
    socket.once("connect", () => {
      if (!running.has(socket)) return
      end(socket)
      socket.off("error", onError)
      onWon(socket, address)
    })
    cancelTimer = next < addresses.length ? timers.set(attemptDelayMs, begin) : undefined
  }
  begin()
  return end
}

/** The first that says something of the other side: that there is no way to IPv6 from here says nothing of it. */
function mostTelling(errors: readonly NodeJS.ErrnoException[]): NodeJS.ErrnoException {
  return errors.find(({ code = "" }) => !waysOut.has(code)) ?? errors[0]!
}

const waysOut: ReadonlySet<string> = new Set(["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"])
