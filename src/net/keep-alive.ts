import type { Millis } from "../core/clock.ts"

/**
 * After so much silence on a connection, of a client or to a backend, the system asks whether the other side is still
 * there (TCP keepalive): before NATs and firewalls forget the connection (some do after 350 s), and long before
 * `timeouts.streamIdle` ends a silent tunnel or event stream. The system's own default is two hours.
 */
export const keepAliveMs: Millis = 60_000
