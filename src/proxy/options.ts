import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { BodyLimits } from "../http1/body.ts"
import type { HeadLimits } from "../http1/limits.ts"
import type { PolicyName } from "../policies/index.ts"

/** How backends are spoken to. */
export interface BackendOptions {
  /** How long the addresses of a DNS name count before it is resolved again. */
  readonly nameTtlMs: number
  readonly tls: {
    /** The authorities that are trusted, PEM; undefined: those that Node.js trusts. */
    readonly ca: string | undefined
    /** Whether a certificate must be valid and have the right name. */
    readonly verify: boolean
    /** The name in every backend's certificate; undefined: the one it announces, else its address. */
    readonly serverName: string | undefined
    /** What the balancer shows of itself, PEM. */
    readonly cert: string | undefined
    readonly key: string | undefined
  }
}

/** What a data-plane thread is told at its start. Plain data: it travels to the thread as it is. */
export interface DataPlaneOptions {
  /** The pseudonym in Via. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Which thread this is, from 0 on. */
  readonly worker: number
  readonly resources: ResourceTable
  readonly policy: PolicyName
  /** Seed of the simulated demand (the same in every thread) and, with the thread's number, of its policy. */
  readonly seed: number
  readonly demand: {
    /** `simulation`: drawn per request and sent on in a header per resource. `declared`: by header, else the default. */
    readonly mode: "simulation" | "declared"
    /** What a request needs that declares nothing. */
    readonly default: ResourceVector
  }
  readonly limits: HeadLimits &
    BodyLimits & {
      /** Tries of one request in all. */
      readonly attemptsMax: number
      /** How much of a request body is kept for another try, bytes. */
      readonly replayBytesMax: number
      /** Client connections of this thread. */
      readonly connectionsMax: number
      /** Connections of this thread to one backend, busy or idle. */
      readonly connectionsPerBackendMax: number
      /** Idle ones of these that are kept. */
      readonly idlePerBackendMax: number
      readonly requestsPerConnectionMax: number
      /** Requests of this thread that wait for room. */
      readonly queueMax: number
    }
  readonly timeouts: {
    readonly clientHeadMs: number
    readonly clientIdleMs: number
    /** Between two pieces of a request's body. */
    readonly clientBodyMs: number
    readonly connectMs: number
    readonly responseHeadMs: number
    /** Between two pieces of a response. */
    readonly betweenBytesMs: number
    readonly backendIdleMs: number
    readonly queueMs: number
    /** How long running exchanges may take when the balancer stops. */
    readonly drainMs: number
  }
  readonly backends: BackendOptions
  /** Tell the client which backend answered, in X-Linebacker-Backend. */
  readonly backendHeader: boolean
}
