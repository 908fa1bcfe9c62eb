/** What requests stick to: as written, and as the data plane goes by it. */

import * as z from "zod"
import { normalHost } from "../../core/host.ts"
import { duration, flag, mapping, matching, oneOf } from "../../text/schema-words.ts"
import { dnsName } from "./words.ts"

const day = 24 * 3_600_000
const cookieNameDefault = "linebacker"
const affinityKinds = ["none", "cookie", "header", "address", "path", "query"] as const
const affinityKind = z.enum(affinityKinds, { error: `one of ${affinityKinds.join(", ")}` })
const written = mapping({
  kind: affinityKind
    .default("none")
    .describe(
      "cookie: a cookie of ours names the backend; the others are keys for the hashing policies: a field, " +
        "the client's address, the path, a parameter of the query.",
    ),
  name: matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "a name of up to 128 letters, digits, - and _")
    .optional()
    .describe("Of the cookie, the field or the parameter."),
  caching: z
    .enum(["private", "keep"], { error: "private or keep" })
    .default("private")
    .describe(
      "private: no shared cache stores a response that sets the cookie; keep: what the backend says to caches stands.",
    ),
  sameSite: z
    .enum(["lax", "strict", "none", "Lax", "Strict", "None"], { error: "lax, strict or none" })
    .default("lax")
    .describe(
      "Which requests from pages of other sites carry the cookie: lax: links; strict: none; none: all, over TLS only.",
    ),
  secure: oneOf(["auto", "always"], "auto").describe(
    "Whether browsers send the cookie over TLS only; auto: when the client came by TLS, as trusted proxies say.",
  ),
  partitioned: flag(false).describe(
    "Whether the cookie is kept apart for each site that embeds this one (CHIPS); over TLS only.",
  ),
  maxAge: duration("0s", 0, 400 * day).describe("How long browsers keep the cookie; 0s is until they close."),
  domain: dnsName
    // Browsers take no cookie with a dot at the end of its domain.
    .transform(normalHost)
    .optional()
    .describe("The cookie is sent to this host and all below it; when absent, only to the host that set it."),
  path: matching(
    /^\/[\x21-\x3a\x3c-\x7e]{0,1023}$/,
    'a path that starts with "/", without blanks and semicolons',
  )
    .default("/")
    .describe("The cookie is sent with requests for paths below this one."),
})

/** Of the balancer, where it is not asked for; of a route. */
export const affinity = written.transform((part) => {
  const { caching, kind } = part
  const name = part.name ?? (kind === "cookie" ? cookieNameDefault : "")
  return { kind, name: kind === "header" ? name.toLowerCase() : name, caching, cookie: cookieOf(part, name) }
})

const sameSites = { lax: "Lax", strict: "Strict", none: "None" } as const

/**
 * How the cookie is to be kept and sent by browsers (RFC 6265 5.2 and its revision, draft-ietf-httpbis-rfc6265bis). They
 * take some cookies only with Secure: those of `SameSite=None`, with Partitioned, or with a name that says so.
 */
function cookieOf(
  { sameSite, secure, partitioned, maxAgeMs, domain, path }: z.output<typeof written>,
  name: string,
) {
  const site = sameSites[sameSite.toLowerCase() as keyof typeof sameSites]
  return {
    sameSite: site,
    /** Over TLS only, whatever the client's connection was; else as that was. */
    secure: secure === "always" || site === "None" || partitioned || /^__(secure|host)-/i.test(name),
    /** One per site that embeds this one (CHIPS). */
    partitioned,
    /** 0: until the browser closes. */
    maxAgeSeconds: Math.ceil(maxAgeMs / 1_000),
    /** Which hosts get it beside the one that sets it: this one and all below it; "" is none. */
    domain: domain ?? "",
    path,
  }
}
