import type { Socket } from "node:net"
import type { Destination, Dialer } from "../../src/proxy/backends/dial.ts"
import type { BackendOptions } from "../../src/proxy/options.ts"

/** How backends are spoken to in tests: by the defaults, but for names that are asked for again after one second. */
export const plainBackends: BackendOptions = {
  nameTtlMs: 1_000,
  nameKeepMs: 3_600_000,
  resolver: "direct",
  proxyProtocol: "none",
  tls: { ca: undefined, verify: true, serverName: undefined, cert: undefined, key: undefined },
}

/** What a dial brings: the open socket, or why there is none. */
export function opened(dialer: Dialer, to: Destination): Promise<Socket> {
  return new Promise((resolve, reject) => {
    dialer.dial(to, { onOpen: resolve, onFailed: (_code, error) => reject(error) })
  })
}
