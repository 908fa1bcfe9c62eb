import type { Balancer } from "../balancer.ts"

/**
 * What nothing has caught ends a Node.js process, and with it all traffic, which runs in other threads and is not
 * touched by it. So it is said as the bug that it is, and the process goes on.
 */
export function outliveBugs(balancer: Pick<Balancer, "onUncaught">): void {
  process.on("uncaughtException", (error) => balancer.onUncaught(error))
  process.on("unhandledRejection", (reason) => balancer.onUncaught(reason))
}

/**
 * Ends the process at once by this signal, as the system does it. `process.exit` would wait for all threads first: for
 * one that hangs in the system, for ever.
 */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
