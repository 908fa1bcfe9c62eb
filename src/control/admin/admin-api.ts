/**
 * The admin listener: the page, the state behind it, the stream that keeps it live, and what can be changed.
 *
 * Changing anything needs the token, from a page or from curl. Reading is open to peers in `allow`, by default this
 * machine. A page of another origin gets nothing: neither by asking directly (`Origin`, `Sec-Fetch-Site`) nor under a
 * name that it made point here (`Host`).
 */
import type { Endpoint } from "../../core/endpoint.ts"
import type { Timers } from "../../system.ts"
import type { DoorSettings } from "../api/door.ts"
import { type ApiLimits, type ApiListener, serveApi } from "../api/kernel.ts"
import { adminApi } from "./admin-calls.ts"
import type { AdminServices } from "./admin-services.ts"
import { loadPageAssets } from "./page-assets.ts"
import type { PageAssets } from "./page-files.ts"
import { StateStreams, type StreamLimits } from "./state-streams.ts"

export interface AdminLimits extends ApiLimits, StreamLimits {}

export const adminLimitsDefault: AdminLimits = {
  streamsMax: 64,
  connectionsMax: 256,
  headBytesMax: 16 * 1024,
  bodyBytesMax: 64 * 1024,
  bodiesBytesMax: 4 * 1024 * 1024,
  requestMs: 10_000,
  stateEveryMs: 500,
  statesMissedMax: 20,
}

/** A port of 0 takes a free one. */
export interface AdminOptions extends Endpoint, DoorSettings, Omit<AdminServices, "stream" | "asset"> {
  readonly allow: readonly string[]
  readonly timers: Timers
  readonly limits?: Partial<AdminLimits>
  /** Told of failures that are bugs, which the caller sees as `internal_error`. */
  readonly onBug?: (error: unknown) => void
}

/** How long after `close` a request that is still being served is cut off. */
const closeMsMax = 500

/** Opens the listener. Rejects when the address is taken or `allow` holds something that is no range. */
export async function startAdmin(options: AdminOptions): Promise<ApiListener> {
  const { state, timers } = options
  const given = { ...adminLimitsDefault, ...options.limits }
  // Streams, which last, must leave room for the rest.
  const limits = { ...given, streamsMax: Math.min(given.streamsMax, Math.ceil(given.connectionsMax / 2)) }
  const streams = new StateStreams(state, timers, limits)
  const assets = lazily(loadPageAssets)
  const services: AdminServices = {
    ...options,
    stream: () => streams.open(),
    asset: async (path) => (await assets()).get(path)!,
  }
  const listener = await serveApi(adminApi, services, {
    ...options,
    limits,
    closing: { timers, ms: closeMsMax },
  })
  return {
    address: listener.address,
    close: () => {
      streams.end()
      return listener.close()
    },
  }
}

/** Loads once; again after a failure. */
function lazily(load: () => Promise<PageAssets>): () => Promise<PageAssets> {
  let loading: Promise<PageAssets> | undefined
  return () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    }))
}
