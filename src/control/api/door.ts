/**
 * Which requests an API of the control plane serves: by the peer's address, by the name that it is called by, by the web
 * page that calls, by the token.
 */
import type { IncomingMessage } from "node:http"
import type { BlockList } from "node:net"
import { hostOf, isSameHost, isSamePort } from "../../core/host.ts"
import type { Result } from "../../core/result.ts"
import { contains, rangesOf } from "../../net/ip-ranges.ts"
import { type ApiError, type doorErrors, refuse, type tokenErrors } from "./api-errors.ts"
import { presents } from "./bearer.ts"
import type { Access, Right } from "./call.ts"
import { hostsOf, namesHost, namesNeighbour } from "./web-pages.ts"

/** Which requests are served, as far as the configuration says it. */
export interface DoorSettings {
  /** Addresses and CIDR ranges of the peers that may call; without it any that can connect. */
  readonly allow?: readonly string[] | undefined
  /** Names under which this may be called, besides addresses and localhost. */
  readonly hosts?: readonly string[] | undefined
  /** What guarded calls must present as a Bearer token. */
  readonly token?: string | undefined
}

type DoorError = ApiError<(typeof doorErrors)[number] | (typeof tokenErrors)[number]>

type Refused = Result<never, DoorError> | undefined

export class Door {
  readonly #access: Access
  readonly #allowed: BlockList | undefined
  readonly #hosts: ReadonlySet<string>
  readonly #token: string | undefined

  /** @throws RangeError when `allow` holds something that is no range */
  constructor(access: Access, { allow, hosts, token }: DoorSettings) {
    this.#access = access
    this.#allowed = allow && rangesOf(allow, `${access.setting}.allow`)
    this.#hosts = hostsOf(hosts)
    this.#token = token
  }

  /**
   * Why a request may not be served; undefined when it may.
   *
   * @param peer its IP address
   * @param right that it needs
   */
  whyRefused(request: IncomingMessage, peer: string, right: Right): Refused {
    const { setting, guarded, withoutToken, pages } = this.#access
    if (this.#allowed !== undefined && !contains(this.#allowed, peer)) {
      return refuse("peer_not_allowed", `${peer} is in none of the ranges of ${setting}.allow`)
    }
    const isGuarded = guarded.includes(right)
    const token = isGuarded ? this.#token : undefined
    // A page that made a name of its own lead here cannot know a token: where no page may call, the token is enough.
    const isNameFree = token !== undefined && pages === "none"
    const foreign = (isNameFree ? undefined : this.#whyForeignHost(request)) ?? this.#whyForeignPage(request)
    if (foreign !== undefined) return foreign
    if (token === undefined) {
      if (!isGuarded || withoutToken === "served") return undefined
      return refuse(
        "no_token",
        `nothing can be changed here until ${setting}.token or ${setting}.tokenFile is set`,
      )
    }
    // Of several fields the first counts (node-listener.ts).
    return presents(request.headers.authorization, token)
      ? undefined
      : refuse("unauthorized", `this needs the token of ${setting}.token: Authorization: Bearer …`)
  }

  #whyForeignHost(request: IncomingMessage): Refused {
    const { setting, neighbours } = this.#access
    if (namesHost(request, this.#hosts)) return undefined
    const [host, ...more] = request.headersDistinct["host"] ?? []
    // Every browser sends a Host; some old clients of HTTP/1.0 do not.
    if (neighbours && (host === undefined || namesNeighbour(request))) return undefined
    // RFC 9112 3.2: a Host that is none is a malformed request. An empty one is valid, and names nothing.
    if (host !== undefined && host !== "" && more.length === 0 && hostOf(host) === undefined) {
      return refuse("malformed_request", `Host "${host}" is no host with or without a port`)
    }
    const usual = neighbours ? "one address, one name without a dot" : "one IP address, localhost"
    const found = host === undefined ? "Host is missing, and" : `Host "${[host, ...more].join(", ")}"`
    return refuse("foreign_host", `${found} is not ${usual}, or one of ${setting}.hosts`)
  }

  #whyForeignPage({ headers }: IncomingMessage): Refused {
    const { host = "", origin } = headers
    // An image or a script of another page carries no Origin.
    const site = headers["sec-fetch-site"]
    const isElsewhere = site !== undefined && site !== "none" && site !== "same-origin"
    const isForeign =
      this.#access.pages === "none"
        ? origin !== undefined || isElsewhere
        : (origin !== undefined && !isOriginOf(origin, host)) ||
          // Following a link to the page is welcome.
          (isElsewhere && headers["sec-fetch-mode"] !== "navigate")
    return isForeign ? refuse("foreign_origin") : undefined
  }
}

/** Whether a page of this origin (RFC 6454 6.2) came from this very `Host`, over TLS or not. */
function isOriginOf(origin: string, host: string): boolean {
  const [, scheme, authority = ""] = /^(https?):\/\/([^/]+)$/i.exec(origin) ?? []
  if (scheme === undefined) return false
  const isTls = scheme.toLowerCase() === "https"
  return isSameHost(authority, host) && isSamePort(authority, host, isTls ? "https" : "http")
}
