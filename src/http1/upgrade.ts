import { fields } from "../core/http/fields.ts"
import type { MessageHead } from "../core/http/message-head.ts"

/**
 * Whether what Upgrade names may be tunnelled: any protocol but those that would carry requests past us. Behind
 * `Upgrade: h2c` the backend would take requests that the balancer has not looked at; `HTTP` and `TLS` (RFC 2817)
 * likewise.
 *
 * @see RFC 9110 7.8; RFC 9113 3.1, which took h2c away.
 */
export function isTunnelProtocol(head: MessageHead): boolean {
  for (let field = 0; field < head.count; field++) {
    if (head.ids[field] !== fields.upgrade) continue
    for (const protocol of head.value(field).toLowerCase().split(",")) {
      const [name = ""] = protocol.trim().split("/")
      if (name === "h2c" || name === "http" || name === "tls") return false
    }
  }
  return true
}
