/**
 * What is done with a request's fields that have `_` in their name: it is a legal byte, but to origins of the CGI
 * kind `A_B` and `A-B` are one name, so that one of them can stand in for the other. `collisions` drops the fields that
 * could stand in for one of `isOurs`, whichever byte they have for the `-`; `pass` passes all of them. `reject` and
 * `drop` are for every name with `_`.
 */
export type Underscores = "collisions" | "pass" | "reject" | "drop"

/**
 * Which requests in absolute form are refused because their Host says something else than their target, whose
 * authority otherwise takes its place (RFC 9112 3.2.2): `port` those that name the same host with another port.
 */
export type HostConflicts = "none" | "port" | "all"

/** What a head may cost and hold. Every limit has an error code of its own in core/errors.ts. */
export interface HeadLimits {
  /** The whole head with its empty line, bytes. */
  readonly headBytesMax: number
  /** One field line without its CRLF, bytes. */
  readonly fieldLineBytesMax: number
  readonly fieldsMax: number
  readonly targetBytesMax: number
  readonly underscores: Underscores
  readonly hostConflicts: HostConflicts
}

export const headLimitsDefault: HeadLimits = {
  headBytesMax: 32 * 1024,
  fieldLineBytesMax: 8 * 1024,
  fieldsMax: 100,
  targetBytesMax: 8 * 1024,
  underscores: "collisions",
  hostConflicts: "port",
}
