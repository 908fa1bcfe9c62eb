/** What the listeners ask of each other and of their tokens, leases of their times, and a certificate of its key. */

import { formatEndpoint, isIpv6, isLoopback, type Endpoint } from "../core/endpoint.ts"
import { normalHost } from "../core/host.ts"
import { formatDuration } from "../text/duration.ts"
import { shown, valueAt } from "../text/issue.ts"
import type { ConfigDraft } from "./config-schema.ts"
import type { CrossIssue } from "./cross-issue.ts"

/** @param written the configuration as written, to tell a setting from its default. */
export function listenerChecks(draft: ConfigDraft, written: unknown): CrossIssue[] {
  return [
    ...leaseIssues(draft, written),
    ...tokenIssues(draft),
    ...clientCertificateIssues(draft),
    ...listenerIssues(draft, written),
  ]
}

function leaseIssues({ registration }: ConfigDraft, written: unknown): CrossIssue[] {
  const isWritten = (key: string) => valueAt(written, ["registration", key]) !== undefined
  return (["renew", "suspect"] as const).flatMap((shorter): CrossIssue[] => {
    const longer = shorter === "renew" ? "suspect" : "ttl"
    if (registration[`${shorter}Ms`] < registration[`${longer}Ms`]) return []
    // The one that was written is the one to point at; of two, the shorter.
    const [wrong, other, relation] =
      isWritten(shorter) || !isWritten(longer)
        ? ([shorter, longer, "shorter"] as const)
        : ([longer, shorter, "longer"] as const)
    const origin = isWritten(other) ? "" : " by default"
    const message = `must be ${relation} than registration.${other}, which is ${formatDuration(registration[`${other}Ms`])}${origin}`
    const found = formatDuration(registration[`${wrong}Ms`])
    const about = [`registration.${shorter}`, `registration.${longer}`]
    return [{ path: ["registration", wrong], at: "value", message, found, about }]
  })
}

function tokenIssues(draft: ConfigDraft): CrossIssue[] {
  const issues: CrossIssue[] = []
  for (const name of ["registration", "admin"] as const) {
    const { token, tokenFile } = draft[name]
    if (token === undefined || tokenFile === undefined) continue
    const message = `${name}.token is there too; keep one of them`
    const about = [`${name}.token`, `${name}.tokenFile`]
    issues.push({ path: [name, "tokenFile"], at: "key", message, found: undefined, about })
  }
  const { listen, token, tokenFile, allow } = draft.registration
  if (!isLoopback(listen.host) && token === undefined && tokenFile === undefined && allow === undefined) {
    const message =
      "others than this machine could announce backends there: set registration.token, " +
      "registration.tokenFile or registration.allow, or listen on 127.0.0.1"
    const about = ["listen", "token", "tokenFile", "allow"].map((key) => `registration.${key}`)
    const found = shown(formatEndpoint(listen))
    issues.push({ path: ["registration", "listen"], at: "value", message, found, about })
  }
  return issues
}

/** A certificate is worth nothing without its key, and a key nothing without its certificate. */
function clientCertificateIssues({ upstream }: ConfigDraft): CrossIssue[] {
  const { cert, key } = upstream.tls
  if ((cert === undefined) === (key === undefined)) return []
  const isKey = cert === undefined
  const message = `upstream.tls.${isKey ? "cert" : "key"} must be there too`
  const about = ["upstream.tls"]
  return [
    {
      path: ["upstream", "tls", isKey ? "key" : "cert"],
      at: "key",
      message,
      found: undefined,
      about,
    },
  ]
}

/** The system would let two listeners share a port, since workers do: it has to be caught here. */
function listenerIssues(draft: ConfigDraft, written: unknown): CrossIssue[] {
  const listeners = [
    { path: ["listen"], endpoint: draft.listen },
    ...(draft.tls === undefined ? [] : [{ path: ["tls", "listen"], endpoint: draft.tls.listen }]),
    { path: ["registration", "listen"], endpoint: draft.registration.listen },
    { path: ["admin", "listen"], endpoint: draft.admin.listen },
  ]
  return listeners.flatMap(({ path, endpoint }, index) =>
    listeners.slice(0, index).flatMap((other): CrossIssue[] => {
      if (!overlap(endpoint, other.endpoint)) return []
      const isWritten = valueAt(written, path) !== undefined
      const [wrong, taker] = isWritten ? [{ path, endpoint }, other] : [other, { path, endpoint }]
      const message = `the same port as ${taker.path.join(".")}, which is "${formatEndpoint(taker.endpoint)}"`
      const found = shown(formatEndpoint(wrong.endpoint))
      const about = [path.join("."), other.path.join(".")]
      return [{ path: wrong.path, at: "value", message, found, about }]
    }),
  )
}

function overlap(a: Endpoint, b: Endpoint): boolean {
  if (a.port !== b.port || a.port === 0) return false
  const [one, other] = [normalHost(a.host), normalHost(b.host)]
  return one === other || covers(one, other) || covers(other, one)
}

function covers(wide: string, host: string): boolean {
  if (wide === "" || wide === "::") return true
  if (wide === "0.0.0.0") return !isIpv6(host)
  return wide === "localhost" && isLoopback(host)
}
