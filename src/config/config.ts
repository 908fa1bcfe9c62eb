import type { BackendTlsFiles } from "./certificates.ts"
import type { Endpoint } from "../core/endpoint.ts"
import type { NamedAmounts, ResourceTable } from "../core/resources.ts"
import type { HostConflicts, Underscores } from "../http1/limits.ts"
import type { ChoosingSpec } from "../policies/around/chooser.ts"
import type { PolicySpec } from "../policies/index.ts"
import type { AffinityOptions, DataPlaneOptions, PoolMatch } from "../proxy/options.ts"

/** The configuration with every default in place. Plain data: it can be posted to the data-plane threads. */
export interface Config {
  /** How `Via` names this balancer. */
  readonly name: string
  /** Where traffic arrives; host "" is every interface. */
  readonly listen: Endpoint
  /** The listener that speaks TLS, beside the plain one. */
  readonly tls: TlsConfig | undefined
  readonly proxyProtocol: {
    /** CIDRs of peers whose connections have to start with a PROXY header. */
    readonly accept: readonly string[]
  }
  /** CIDRs of proxies whose X-Forwarded-* and Forwarded are believed. */
  readonly trustedProxies: readonly string[]
  readonly via: DataPlaneOptions["via"]
  /** Whether Forwarded (RFC 7239) is sent always, and not only where a trusted proxy has begun it. */
  readonly forwarded: boolean
  /** Data-plane threads; `auto` is one a core. */
  readonly workers: number | "auto"
  readonly policy: PolicySpec
  /** What is around every policy. */
  readonly choosing: Omit<ChoosingSpec, "policy" | "bind">
  readonly pools: readonly PoolConfig[]
  readonly routes: readonly RouteConfig[]
  /** Of requests that no rule of `routes` is for, or whose rule says nothing of it. */
  readonly affinity: AffinityOptions
  /** Makes the cookies that name backends; undefined leaves it to the balancer to draw one. */
  readonly cookieKey: string | undefined
  readonly learning: {
    /** Routes that are learned beside the rules of `routes`. */
    readonly routesMax: number
  }
  /** Makes runs repeatable. */
  readonly seed: number | undefined
  readonly resources: ResourceTable
  readonly demand: {
    readonly mode: "declared" | "simulation"
    /** What a request is taken to need when nothing is known: an amount of every resource. */
    readonly default: NamedAmounts
    /** CIDRs of clients whose declared demand is taken as it is. */
    readonly trusted: readonly string[]
  }
  readonly registration: {
    readonly listen: Endpoint
    /** From `token`, or read from `tokenFile`. */
    readonly token: string | undefined
    /** CIDRs whose peers may announce; undefined leaves it to `token` and the listener. */
    readonly allow: readonly string[] | undefined
    /** Names by which backends may ask without a token, besides addresses and names without a dot. */
    readonly hosts: readonly string[]
    readonly allowForeignAddresses: boolean
    /** Folders in which backends may announce Unix sockets. */
    readonly unixFolders: readonly string[]
    readonly legacyPort: number
    readonly ttlMs: number
    readonly renewMs: number
    readonly suspectMs: number
    readonly backendsMax: number
  }
  readonly admin: {
    readonly listen: Endpoint
    /** From `token`, or read from `tokenFile`; without it nothing can be changed. */
    readonly token: string | undefined
    /** CIDRs whose peers may read. */
    readonly allow: readonly string[]
    /** Names by which the page may be asked for, besides addresses and localhost. */
    readonly hosts: readonly string[]
  }
  readonly checks: {
    readonly kind: "tcp" | "http"
    readonly path: string
    /** What an `http` check is passed with. */
    readonly statuses: readonly StatusRange[]
    readonly intervalMs: number
    readonly timeoutMs: number
    /** Failed checks in a row that eject a backend. */
    readonly fall: number
    /** Passed checks in a row that bring it back. */
    readonly rise: number
  }
  /** How backends are spoken to; certificates as PEM, read from their files. */
  readonly backends: DataPlaneOptions["backends"] & {
    /** Where `tls` was read from: they are read again when they change. */
    readonly tlsFiles: BackendTlsFiles
    /** Whether heads of responses may break the grammar where it is known what is meant. */
    readonly lenientHeads: boolean
    /** The form in which backends are asked for load reports with every request. */
    readonly askLoadReports: DataPlaneOptions["loadReports"]["ask"]
    /** Where backends are asked for load reports beside traffic; undefined: nowhere. */
    readonly loadReports: { readonly path: string; readonly intervalMs: number } | undefined
  }
  /** Of one data-plane thread. */
  readonly limits: Omit<DataPlaneOptions["limits"], "underscores" | "hostConflicts"> & {
    /** Descriptors of the whole process; undefined: what the system allows. */
    readonly descriptorsMax: number | undefined
  }
  readonly timeouts: DataPlaneOptions["timeouts"] & {
    /** How long `/readyz` fails before the listeners close. */
    readonly unreadyMs: number
    /** How long a data-plane thread may stand still before it is ended and replaced. */
    readonly threadStillMs: number
  }
  readonly requests: {
    /** What becomes of fields with `_` in their name. */
    readonly underscores: Underscores
    /** Which contradictions between Host and a target in absolute form are refused. */
    readonly hostConflicts: HostConflicts
    /** What requests are for that name no host; undefined: the address that the client has connected to. */
    readonly host: string | undefined
    /** Whether their trailer sections reach the backend. */
    readonly trailers: "drop" | "pass"
    /** Whether a request may turn its connection into a tunnel. */
    readonly upgrade: boolean
  }
  readonly response: {
    /** Whether the client is told who answered, in `X-Linebacker-Backend`. */
    readonly backendHeader: boolean
    /** Whether load reports of backends reach the client. */
    readonly loadReports: "strip" | "pass"
    /** Which clients get trailer sections. */
    readonly trailers: "asked" | "pass"
  }
}

/** Some of the backends, by a name. */
export interface PoolConfig {
  readonly name: string
  readonly match: PoolMatch
  /** Undefined: the one of the whole balancer. */
  readonly policy: PolicySpec | undefined
}

/** What is special about some requests. */
export interface RouteConfig {
  readonly name: string
  readonly method: string | undefined
  readonly host: string | undefined
  readonly path: string
  /** Undefined: all backends. */
  readonly pool: string | undefined
  /** Undefined: that of the pool. */
  readonly policy: PolicySpec | undefined
  /** What its requests need, by resource; what is not named is learned. */
  readonly demand: NamedAmounts | undefined
  /** What its requests declare of their demand is taken as it is. */
  readonly trusted: boolean
  readonly affinity: AffinityOptions | undefined
}

export interface TlsConfig {
  readonly listen: Endpoint
  /** The first is for clients that name no host, or one that none is for. */
  readonly certificates: readonly CertificateFiles[]
  readonly minVersion: "TLSv1.2" | "TLSv1.3"
  /** Whether requests on the plain listener are sent to this one. */
  readonly redirect: boolean
  /** The port that redirects name, when clients reach the listener at another than its own. */
  readonly redirectPort: number | undefined
  readonly ticketRotationMs: number
}

/** A certificate as files, which are read again when they change. */
export interface CertificateFiles {
  /** Path of a PEM file: the certificate, then those that lead from it to its root. */
  readonly cert: string
  readonly key: string
  /** Host names it is for; undefined takes those in the certificate. */
  readonly names: readonly string[] | undefined
}

/** A range of status codes, both ends included. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}
