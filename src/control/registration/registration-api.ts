/**
 * Where backends announce themselves: the listener on :9797. What registers here receives traffic, so the listener is
 * strict: it asks for the token or the peer's address, and never serves a web page.
 */
import type { Endpoint } from "../../core/endpoint.ts"
import type { DoorSettings } from "../api/door.ts"
import { type ApiLimits, type ApiListener, serveApi } from "../api/kernel.ts"
import { registrationApi } from "./registration-calls.ts"
import type { RegistrationServices } from "./registration-services.ts"

export const registrationLimitsDefault: ApiLimits = {
  bodyBytesMax: 64 * 1024,
  bodiesBytesMax: 4 * 1024 * 1024,
  headBytesMax: 16 * 1024,
  requestMs: 5_000,
  connectionsMax: 4_096,
}

/** A port of 0 takes a free one. `hosts` matters only without a token. */
export interface RegistrationOptions extends Endpoint, DoorSettings, RegistrationServices {
  readonly limits?: Partial<ApiLimits>
  /** The registry may have a new snapshot. */
  onChange(): void
  /** Told of failures that are bugs, which the peer sees as `internal_error`. */
  readonly onBug?: (error: unknown) => void
}

/** Opens the listener. Rejects when the address is taken. */
export function startRegistration(options: RegistrationOptions): Promise<ApiListener> {
  return serveApi(registrationApi, options, {
    ...options,
    limits: { ...registrationLimitsDefault, ...options.limits },
    onWritten: () => options.onChange(),
  })
}
