/** How the descriptors that the process may open are shared out, so that no part of it takes another's. */
import { readdirSync, readFileSync } from "node:fs"

/** What a thread has by itself: its event loop's, its listeners. */
const perThread = 8
/** Connections that are accepted only to be closed, in each thread. */
const sparePerThread = 2
/** Files, watches, questions to name servers and what else is open for a moment. */
const spare = 24
/** What a process has that does nothing yet, where the system does not say. */
const usedDefault = 32
/** The least that is worth starting with. */
const connectionsMin = 8
/** With room for fewer clients than this the operator is told. */
const clientsFew = 1_000

export interface DescriptorBudget {
  /** Connections of the data plane, of clients and to backends. */
  readonly connections: number
  /** With so many open no client is let in: the rest is for backends. */
  readonly clients: number
  /** Connections to the registration and the admin listener, and those of checks and polls at one time. */
  readonly registration: number
  readonly admin: number
  readonly checks: number
}

/**
 * @param most descriptors of the process
 * @param used those that it had before the balancer began
 */
export function budgetOf(most: number, used: number, threads: number): DescriptorBudget {
  const registration = part(most, 8)
  const admin = part(most, 32)
  const checks = part(most, 32)
  const left = most - used - spare - threads * (perThread + sparePerThread) - registration - admin - checks
  const connections = Math.max(connectionsMin, left)
  return { connections, clients: Math.ceil(connections * 0.75), registration, admin, checks }
}

function part(most: number, divisor: number): number {
  return Math.max(4, Math.floor(most / divisor))
}

/**
 * What the system lets this process open: Node.js asks for all that it may have. Undefined where the system does not
 * say, or sets no limit.
 */
export function descriptorLimit(
  limits: string | undefined = readText("/proc/self/limits"),
): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits ?? "") ?? []
  return soft === undefined ? undefined : Number(soft)
}

/** How many are open now. */
export function descriptorsUsed(): number {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return usedDefault
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

/** What to tell the operator where there is room for few clients only. */
export function shortage(budget: DescriptorBudget | undefined): string | undefined {
  if (budget === undefined || budget.clients >= clientsFew) return undefined
  return (
    `there are descriptors for ${budget.connections} connections only, at most ${budget.clients} of them of clients: ` +
    "let the process have more (LimitNOFILE, ulimit -n, limits.descriptorsMax)"
  )
}
