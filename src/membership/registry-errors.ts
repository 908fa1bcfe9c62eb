/** What the registry refuses with. What it means to a caller over HTTP is in control/api/api-errors.ts. */
export type RegistryErrorCode =
  | "invalid_id"
  | "invalid_body"
  | "unknown_backend"
  | "stale_generation"
  | "stale_incarnation"
  | "configured_backend"
  | "too_many_backends"

export interface RegistryError<Code extends RegistryErrorCode = RegistryErrorCode> {
  readonly code: Code
  /** For a person: what was found and what is allowed. */
  readonly message: string
  /** Where in what was said, dotted: `capacity.compute`. */
  readonly path?: string
}

/** What a registration is refused with. */
export type NotRegistered = RegistryError<
  "invalid_id" | "invalid_body" | "stale_incarnation" | "configured_backend" | "too_many_backends"
>

/** What a call about a member is refused with, when its caller does not hold the lease. */
export type NotHeld = RegistryError<"unknown_backend" | "stale_generation">
