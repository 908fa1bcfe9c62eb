import { fail, type Result } from "../../core/result.ts"

export interface ApiErrorRow {
  /** The HTTP status of the response. */
  readonly status: number
  readonly meaning: string
}

/**
 * Everything with which a call of the control plane is refused. Status and documentation come from the row; code and
 * callers match on the name. A call lists those that are its own (`call.ts`); the rest is the kernel's. Each is provoked
 * by a test.
 */
export const apiErrors = {
  malformed_request: {
    status: 400,
    meaning: "The bytes on the connection are not an HTTP request, or Host is no host.",
  },
  invalid_json: { status: 400, meaning: "The body is not JSON; the message says where it stops being so." },
  invalid_body: {
    status: 400,
    meaning: "The body is JSON of the wrong shape or out of bounds; `path` says where.",
  },
  invalid_parameter: {
    status: 400,
    meaning: "A parameter in the query or in a field has no value that is allowed; `path` says which.",
  },
  invalid_id: { status: 400, meaning: "The id of a backend is 1 to 128 of A-Z a-z 0-9 . _ : -" },
  unauthorized: { status: 401, meaning: "This needs the token: Authorization: Bearer …" },
  no_token: {
    status: 403,
    meaning: "Nothing can be changed here until a token is configured (token or tokenFile).",
  },
  peer_not_allowed: { status: 403, meaning: "The peer's IP address is in none of the allowed ranges." },
  foreign_host: { status: 403, meaning: "Host is no name under which this listener may be called." },
  foreign_origin: { status: 403, meaning: "The call comes from a web page that may not make it." },
  address_not_allowed: { status: 403, meaning: "The announced address is not the peer's own." },
  own_listener: { status: 403, meaning: "The balancer itself listens at the announced address." },
  not_found: { status: 404, meaning: "There is no such path." },
  unknown_backend: { status: 404, meaning: "No member has this id." },
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
  configured_backend: {
    status: 409,
    meaning: "The configuration names a backend of this id; announce with another.",
  },
  body_too_large: { status: 413, meaning: "The body is larger than this listener takes." },
  unsupported_media_type: {
    status: 415,
    meaning: "A body must be application/json, without a content coding.",
  },
  head_too_large: { status: 431, meaning: "The head is larger than this listener takes." },
  internal_error: { status: 500, meaning: "The balancer failed; this is a bug." },
  not_ready: { status: 503, meaning: "No traffic can be taken; the message says why." },
  too_many_streams: { status: 503, meaning: "There are as many event streams as this listener keeps open." },
  too_many_backends: {
    status: 503,
    meaning: "The registry is full (registration.backendsMax), or no row of the load table is free yet.",
  },
} as const satisfies Record<string, ApiErrorRow>

export type ApiErrorCode = keyof typeof apiErrors

export interface ApiError<Code extends ApiErrorCode = ApiErrorCode> {
  readonly code: Code
  /** For a person: what was found and what is allowed. */
  readonly message: string
  /** Where in the body, dotted: `capacity.compute`. */
  readonly path?: string
}

/** What a listener refuses with before there is a request. */
export const bytesErrors = ["head_too_large", "request_timeout", "malformed_request"] as const
/** What a door refuses with. */
export const doorErrors = ["malformed_request", "peer_not_allowed", "foreign_host", "foreign_origin"] as const
/** What a door refuses a guarded call with. */
export const tokenErrors = ["unauthorized", "no_token"] as const
/** What a body is refused with. */
export const bodyErrors = [
  "body_too_large",
  "request_timeout",
  "unsupported_media_type",
  "invalid_json",
  "invalid_body",
] as const

/** The refusal with this code; without a message in the words of its row. */
export function refuse<const Code extends ApiErrorCode>(
  code: Code,
  message: string = apiErrors[code].meaning,
  path?: string,
): Result<never, ApiError<Code>> {
  return fail({ code, message, ...(path === undefined ? {} : { path }) })
}
