import type { Socket } from "node:net"
import type { Destination, Dialer } from "../../src/proxy/backends/dial.ts"
import type { BackendOptions } from "../../src/config/config.ts"

import { defaults } from "./settings.ts"

/** How backends are spoken to in tests: by the defaults, but for names that are asked for again after a second. */
export const plainBackends: BackendOptions = { ...defaults.upstream, nameTtlMs: 1_000 }

/** What a dial brings: the open socket, or why there is none. */
export function opened(dialer: Dialer, to: Destination): Promise<Socket> {
  return new Promise((resolve, reject) => {
    dialer.dial(to, { onOpen: resolve, onFailed: (_code, error) => reject(error) })
  })
}
