import type { Endpoint } from "../core/endpoint.ts"
import type { TlsCertificate } from "../config/certificates.ts"
import type { AffinityOptions, Config, PoolMatch, TlsConfig } from "../config/config.ts"
import type { ResourceVector } from "../core/resources.ts"
import type { RouteRule } from "../routing/routes.ts"
import type { ChoosingSpec } from "../policies/around/chooser.ts"

/** Backends that serve together, and how one of them is chosen. */
export interface GroupOptions {
  /** Name of the pool; "" is the one of all backends. */
  readonly pool: string
  /** Undefined: all backends. */
  readonly match: PoolMatch | undefined
  readonly choosing: ChoosingSpec
}

/** What is done with the requests of one rule; their route has the rule's number. */
export interface RouteOptions {
  readonly rule: RouteRule
  /** Index in `RoutingOptions.groups`. */
  readonly group: number
  /** NaN for a resource of which the rule says nothing; undefined when it says nothing at all. */
  readonly demand: ResourceVector | undefined
  /** What its requests declare of their demand is taken as it is. */
  readonly isTrusted: boolean
  readonly affinity: AffinityOptions
}

/** Where requests go. Plain data; replaced as a whole while the balancer runs. */
export interface RoutingOptions {
  /** At least one; the first is for the requests that no rule is for. */
  readonly groups: readonly GroupOptions[]
  /** In order: the first that fits counts. */
  readonly routes: readonly RouteOptions[]
  /** Of requests that no rule is for. */
  readonly affinity: AffinityOptions
}

/** The settings that the data plane works by. A section goes there as it is, so a setting within one needs no line here. */
const settings = [
  "name",
  "listen",
  "proxyProtocol",
  "trustedProxies",
  "via",
  "forwarded",
  "resources",
  "demand",
  "upstream",
  "limits",
  "timeouts",
  "requests",
  "response",
] as const satisfies readonly (keyof Config)[]

type DataPlaneSettings = Pick<Config, (typeof settings)[number]>

/** What of the configuration a data-plane thread is told; secrets of the control plane stay there. */
export function dataPlaneSettings(config: Config): DataPlaneSettings {
  return Object.fromEntries(settings.map((name) => [name, config[name]])) as unknown as DataPlaneSettings
}

/** What a data-plane thread is told at its start. Plain data: it travels to the thread as it is. */
export interface DataPlaneOptions extends DataPlaneSettings {
  /** Where the balancer listens, as far as that is known: nothing is dialled there. */
  readonly ownListeners?: readonly Endpoint[]
  /** Which thread this is, from 0 on. */
  readonly worker: number
  /** The listener that speaks TLS, beside the plain one. */
  readonly tls: TlsOptions | undefined
  readonly routing: RoutingOptions
  /** Policies of the program's own: each thread loads their modules. */
  readonly ownPolicies?: Readonly<Record<string, string>>
  /** Makes the cookies that name backends, the same in every thread. */
  readonly cookieKey: string
  /** Seed of the simulated demand (the same in every thread) and, with the thread's number, of its policy. */
  readonly seed: number
}

export interface TlsOptions extends Omit<TlsConfig, "certificates"> {
  /** How long a session can be resumed, seconds. */
  readonly sessionSeconds: number
  readonly material: TlsMaterial
}

/** What changes while the balancer runs. */
export interface TlsMaterial {
  /** At least one; the first is for clients that name no host, or one that none is for. */
  readonly certificates: readonly TlsCertificate[]
  /** 48 bytes each: the key of new session tickets, and the one before, whose tickets are still taken. */
  readonly ticketKeys: readonly Uint8Array[]
}
