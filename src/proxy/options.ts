import type { Endpoint } from "../core/endpoint.ts"
import type { ResourceTable, ResourceVector } from "../core/resources.ts"
import type { BodyLimits } from "../http1/body.ts"
import type { HeadLimits } from "../http1/limits.ts"
import type { RouteRule } from "../routing/routes.ts"
import type { ChoosingSpec } from "../policies/around/chooser.ts"

/** How backends are spoken to. */
export interface BackendOptions {
  /** How long the addresses of a DNS name count before it is resolved again. */
  readonly nameTtlMs: number
  /** How long they count in all while the name cannot be resolved. */
  readonly nameKeepMs: number
  /** Whether names are looked for in /etc/hosts and DNS directly, and elsewhere only when unknown there. */
  readonly resolver: "direct" | "system"
  /** In which version of the PROXY protocol backends are told of the client; its connections are its own then. */
  readonly proxyProtocol: "none" | "v1" | "v2"
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

/** Which backends belong to a pool: those that fit everything that is given here. */
export interface PoolMatch {
  /** Each of these labels with exactly this value. */
  readonly labels: Readonly<Record<string, string>>
  readonly zone: string | undefined
  /** One of these; undefined is any. */
  readonly ids: readonly string[] | undefined
}

/** Backends that serve together, and how one of them is chosen. */
export interface GroupOptions {
  /** Name of the pool; "" is the one of all backends. */
  readonly pool: string
  /** Undefined: all backends. */
  readonly match: PoolMatch | undefined
  readonly choosing: ChoosingSpec
}

/**
 * What keeps requests together. `cookie`: the balancer sets a cookie that names the backend, and follows it. The others
 * give a key whose hash the hashing policies go by: a header field's value, the client's address, the path without
 * its query, a parameter of the query.
 */
export interface AffinityOptions {
  readonly kind: "none" | "cookie" | "header" | "address" | "path" | "query"
  /** Of the cookie, the field or the parameter. */
  readonly name: string
  /** What is said to caches of a response that sets the cookie: that it is for one client, or what the backend says. */
  readonly caching: "private" | "keep"
  readonly cookie: CookieOptions
}

/** How the cookie is to be kept and sent by browsers (RFC 6265 5.2 and its revision, draft-ietf-httpbis-rfc6265bis). */
export interface CookieOptions {
  /** Which requests from pages of other sites carry it. */
  readonly sameSite: "Lax" | "Strict" | "None"
  /** Over TLS only, whatever the client's connection was; else as that was. */
  readonly secure: boolean
  /** One per site that embeds this one (CHIPS). */
  readonly partitioned: boolean
  /** 0: until the browser closes. */
  readonly maxAgeSeconds: number
  /** Which hosts get it beside the one that sets it: this one and all below it; "" is none. */
  readonly domain: string
  readonly path: string
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

/** What a data-plane thread is told at its start. Plain data: it travels to the thread as it is. */
export interface DataPlaneOptions {
  /** Where the balancer listens, as far as that is known: nothing is dialled there. */
  readonly ownListeners?: readonly Endpoint[]
  /** The pseudonym in Via. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Which thread this is, from 0 on. */
  readonly worker: number
  /** CIDRs of peers whose connections have to start with a PROXY header. */
  readonly proxyProtocol: readonly string[]
  /** CIDRs of proxies whose X-Forwarded-* and Forwarded are believed. */
  readonly trustedProxies: readonly string[]
  /** In which messages Via names this balancer. */
  readonly via: { readonly toBackends: boolean; readonly toClients: boolean }
  /** Send Forwarded (RFC 7239) always; else only where a trusted proxy has begun it. */
  readonly forwarded: boolean
  /** The listener that speaks TLS, beside the plain one. */
  readonly tls: TlsOptions | undefined
  readonly resources: ResourceTable
  readonly routing: RoutingOptions
  /** Makes the cookies that name backends, the same in every thread. */
  readonly cookieKey: string
  /** Seed of the simulated demand (the same in every thread) and, with the thread's number, of its policy. */
  readonly seed: number
  readonly demand: {
    /** `simulation`: drawn per request and sent on, a header per resource. `declared`: by header, else the default. */
    readonly mode: "simulation" | "declared"
    /** What a request needs that declares nothing, as long as nothing has been learned. */
    readonly default: ResourceVector
  }
  /** CIDRs of clients whose declared demand is taken as it is. */
  readonly trustedDemand: readonly string[]
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
      /** Safe requests of one turn of the event loop that are written together on one connection; 1: none are. */
      readonly pipelinedMax: number
      /** Idle ones of these that are kept. */
      readonly idlePerBackendMax: number
      readonly requestsPerConnectionMax: number
      /** Of one connection to a backend; it may end up to a fifth earlier. */
      readonly requestsPerBackendConnectionMax: number
      /** A request's body of known length up to this size is read before a backend is chosen, bytes. */
      readonly collectedBytesMax: number
      /** All such bodies of this thread, as far as they are read, bytes. */
      readonly collectedBytesTotalMax: number
      /** Interim responses from one backend connection within a second, bytes. */
      readonly interimBytesPerSecondMax: number
      /** Requests of this thread that wait for room. */
      readonly queueMax: number
      /** Of a request's body, without its framing. */
      readonly bodyBytesMax: number
      /** How fast a request's body has to come, on average and once `clientBodyMs` have passed; 0 is any. */
      readonly bodyBytesPerSecondMin: number
      /**
       * How fast a client that is behind has to take its response, on average and once `betweenBytesMs` have passed; 0
       * is any.
       */
      readonly responseBytesPerSecondMin: number
    }
  readonly timeouts: {
    readonly clientHeadMs: number
    readonly tlsHandshakeMs: number
    readonly clientIdleMs: number
    /** Between two pieces of a request's body. */
    readonly clientBodyMs: number
    /** Without a byte to write to a client that has ended its side; 0 ends its exchange at once. */
    readonly clientHalfClosedMs: number
    /** How long the rest of a request is read whose response came early. */
    readonly lingerMs: number
    /** Between two pieces of it. */
    readonly lingerIdleMs: number
    readonly connectMs: number
    readonly responseHeadMs: number
    /** Between two pieces of a response. */
    readonly betweenBytesMs: number
    /** Between two pieces in a tunnel, in either direction, or of an event stream. */
    readonly streamIdleMs: number
    /** A whole exchange, from its request's head to its response's last byte; 0 is no limit. */
    readonly exchangeMs: number
    readonly backendIdleMs: number
    /** A connection to a backend in all, but for a request that runs; it may end up to a fifth earlier. 0: no limit. */
    readonly backendAgeMs: number
    readonly queueMs: number
    /** How long after the start requests wait for the first backend of their pool. */
    readonly firstMemberMs: number
    /** How long running exchanges may take when the balancer stops. */
    readonly drainMs: number
  }
  readonly backends: BackendOptions
  /** A request may turn its connection into a tunnel. */
  readonly upgrade: boolean
  /** The authority of requests that name none (HTTP/1.0); undefined: the address that the client has connected to. */
  readonly hostDefault: string | undefined
  /** Whose trailer sections go on, beside those of responses that were asked for with `TE: trailers`. */
  readonly trailers: { readonly ofRequests: boolean; readonly ofResponses: boolean }
  /** Heads of responses may break the grammar where it is known what is meant (http1/lenient-head.ts). */
  readonly lenientHeads: boolean
  /** Tell the client which backend answered, in X-Linebacker-Backend. */
  readonly backendHeader: boolean
  readonly loadReports: {
    /** The form in which backends are asked for them, in `endpoint-load-metrics-format`. */
    readonly ask: "none" | "TEXT" | "JSON"
    /** They reach the client. */
    readonly pass: boolean
  }
}

export interface TlsOptions {
  readonly host: string
  readonly port: number
  readonly minVersion: "TLSv1.2" | "TLSv1.3"
  /** Requests on the plain listener are sent here. */
  readonly redirect: boolean
  /** The port that redirects name, when clients reach the listener at another than its own. */
  readonly redirectPort: number | undefined
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

export interface TlsCertificate {
  /** PEM: the certificate, then those that lead from it to its root. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  /** The host names it is for: `a.example` or `*.example`. */
  readonly names: readonly string[]
}
