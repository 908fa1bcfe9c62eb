export interface RegistrationErrorRow {
  /** The HTTP status of the response. */
  readonly status: number
  readonly meaning: string
}

/**
 * Everything a registration call can be refused with. Status and documentation come from the row; code and
 * callers match on the name. Each is provoked by a test.
 */
export const registrationErrors = {
  malformed_request: { status: 400, meaning: "The bytes on the connection are not an HTTP request." },
  invalid_json: { status: 400, meaning: "The body is not JSON; the message says where it stops being so." },
  invalid_body: {
    status: 400,
    meaning: "The body is JSON of the wrong shape or out of bounds; `path` says where.",
  },
  invalid_id: { status: 400, meaning: "The id of a backend is 1 to 128 of A-Z a-z 0-9 . _ : -" },
  unauthorized: { status: 401, meaning: "The listener needs its token: Authorization: Bearer …" },
  foreign_origin: {
    status: 403,
    meaning: "The call comes from a web page; pages may not register backends.",
  },
  peer_not_allowed: { status: 403, meaning: "The peer's IP address is in none of the allowed ranges." },
  address_not_allowed: { status: 403, meaning: "The announced address is not the peer's own." },
  own_listener: { status: 403, meaning: "The balancer itself listens at the announced address." },
  unknown_backend: { status: 404, meaning: "No member has this id; announce again with PUT." },
  not_found: { status: 404, meaning: "There is no such path." },
  method_not_allowed: {
    status: 405,
    meaning: "The path is known, the method is not; Allow lists those that are.",
  },
  request_timeout: { status: 408, meaning: "The request did not arrive whole in time." },
  stale_generation: { status: 409, meaning: "A later registration holds this id." },
  stale_incarnation: {
    status: 409,
    meaning: "A later incarnation of this backend holds the lease; try again when that has ended.",
  },
  body_too_large: { status: 413, meaning: "The body is larger than limits.bodyBytesMax." },
  unsupported_media_type: {
    status: 415,
    meaning: "A body must be application/json, without a content coding.",
  },
  head_too_large: { status: 431, meaning: "The head is larger than limits.headBytesMax." },
  internal_error: { status: 500, meaning: "The balancer failed; this is a bug." },
  foreign_host: {
    status: 403,
    meaning:
      "Host is no address, no name without a dot, and not in registration.hosts; and no token is asked for.",
  },
  too_many_backends: {
    status: 503,
    meaning: "The registry is full (membersMax), or no row of the load table is free yet.",
  },
} as const satisfies Record<string, RegistrationErrorRow>

export type RegistrationErrorCode = keyof typeof registrationErrors

export interface RegistryError {
  readonly code: RegistrationErrorCode
  /** For a person: what was found and what is allowed. */
  readonly message: string
  /** Where in the body, dotted: `capacity.compute`. */
  readonly path?: string
}
