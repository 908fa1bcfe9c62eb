/** The names of what the schema reads; `config-schema.ts` says what each setting is. */

import type { settled } from "./config-parse.ts"
import type { ConfigDraft } from "./config-schema.ts"

/**
 * The configuration with every default in place, its files read and its policies looked up; durations are whole
 * milliseconds. Plain data: it can be posted to the data-plane threads.
 */
export type Config = Readonly<ReturnType<typeof settled>>

/** Some of the backends, by a name. Policy undefined: the one of the whole balancer. */
export type PoolConfig = Config["pools"][number]

/** What is special about some requests. Pool undefined: all backends. Policy undefined: that of the pool. */
export type RouteConfig = Config["routes"][number]

/** Which backends belong to a pool: those that fit everything that is given here. */
export type PoolMatch = PoolConfig["match"]

/**
 * What keeps requests together. `cookie`: the balancer sets a cookie that names the backend, and follows it. The others
 * give a key whose hash the hashing policies go by: a header field's value, the client's address, the path without
 * its query, a parameter of the query.
 */
export type AffinityOptions = Config["affinity"]

/** How the cookie is to be kept and sent by browsers. */
export type CookieOptions = AffinityOptions["cookie"]

/** The listener that speaks TLS. */
export type TlsConfig = NonNullable<Config["tls"]>

/** A certificate as files, which are read again when they change. */
export type CertificateFiles = NonNullable<ConfigDraft["tls"]>["certificates"][number]

/** How backends are spoken to; certificates as PEM. */
export type BackendOptions = Config["upstream"]
