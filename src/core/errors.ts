/** Who can fix it: the owner of the client, the owner of the backend, or we. */
export type ErrorSource = "client" | "backend" | "balancer"

/**
 * When another backend may be tried.
 *
 * - `always`: not one byte of the request was written
 * - `idempotent`: something may have been written, nothing came back; idempotent methods with a replayable body, and all
 *   of which not one byte was taken
 * - `never`: the request may have been processed, or trying again cannot help
 */
export type RetryRule = "always" | "idempotent" | "never"

export interface ErrorRow {
  readonly source: ErrorSource
  /** The status of the response, where one can still be sent. 499 is for the log: the client has gone. */
  readonly status: number
  readonly retry: RetryRule
  readonly meaning: string
}

/**
 * Everything that can end an exchange other than a relayed response. Status, retry rule, metric label and
 * documentation all come from the row; code matches on the name.
 */
export const errors = {
  malformed_start_line: row(
    "client",
    400,
    "never",
    "The request line does not follow the grammar (RFC 9112 3).",
  ),
  malformed_field: row("client", 400, "never", "A header field does not follow the grammar (RFC 9112 5)."),
  bare_line_ending: row("client", 400, "never", "A line ends in a bare CR or LF (RFC 9112 2.2)."),
  folded_field: row("client", 400, "never", "A header field is continued on a second line (RFC 9112 5.2)."),
  underscore_field: row(
    "client",
    400,
    "never",
    "A field name has an underscore and requests.underscores refuses it, or software that treats another byte as a hyphen would read it as Content-Length or Transfer-Encoding.",
  ),
  unsupported_version: row("client", 505, "never", "The HTTP version is not 1.0 or 1.1 (RFC 9110 15.6.6)."),
  target_too_long: row("client", 414, "never", "The request target is longer than limits.targetBytesMax."),
  head_too_large: row("client", 431, "never", "The head is larger than limits.headBytesMax (RFC 6585 5)."),
  field_line_too_long: row("client", 431, "never", "A field line is longer than limits.fieldLineBytesMax."),
  too_many_fields: row("client", 431, "never", "The head has more fields than limits.fieldsMax."),
  invalid_target: row(
    "client",
    400,
    "never",
    "The request target has no valid form for its method (RFC 9112 3.2).",
  ),
  invalid_host: row(
    "client",
    400,
    "never",
    "Host is missing, repeated, invalid, or contradicts the target (RFC 9112 3.2).",
  ),
  invalid_content_length: row(
    "client",
    400,
    "never",
    "Content-Length is not one plain decimal number (RFC 9112 6.3).",
  ),
  conflicting_framing: row(
    "client",
    400,
    "never",
    "Content-Length and Transfer-Encoding together (RFC 9112 6.1).",
  ),
  invalid_transfer_encoding: row(
    "client",
    400,
    "never",
    "Transfer-Encoding is malformed or misplaced (RFC 9112 6.1).",
  ),
  unknown_transfer_coding: row(
    "client",
    501,
    "never",
    "Transfer-Encoding names a coding other than chunked (RFC 9112 6.1).",
  ),
  invalid_connection_option: row(
    "client",
    400,
    "never",
    "Connection has an option that is no token, or nominates a field that must reach the backend (RFC 9110 7.6.1).",
  ),
  invalid_chunk: row("client", 400, "never", "The chunked body does not follow the grammar (RFC 9112 7.1)."),
  chunk_extensions_too_large: row(
    "client",
    400,
    "never",
    "The chunk extensions are larger than limits.chunkExtensionBytesMax (RFC 9112 7.1.1).",
  ),
  invalid_trailer: row(
    "client",
    400,
    "never",
    "The trailer section has a field that frames the message (RFC 9110 6.5.1).",
  ),
  trailers_too_large: row(
    "client",
    431,
    "never",
    "The trailer section is larger than limits.trailerBytesMax (RFC 6585 5).",
  ),
  expectation_failed: row("client", 417, "never", "Expect is not 100-continue (RFC 9110 10.1.1)."),
  method_refused: row("client", 405, "never", "The balancer does not relay CONNECT, TRACE and PRI."),
  head_timeout: row("client", 408, "never", "The head did not arrive within timeouts.clientHead."),
  body_timeout: row(
    "client",
    408,
    "never",
    "The body stood still for timeouts.clientBody, or came slower than limits.bodyBytesPerSecondMin.",
  ),
  invalid_proxy_header: row(
    "client",
    400,
    "never",
    "A connection from proxyProtocol.accept did not start with a PROXY header; it was closed without a response.",
  ),
  tls_handshake_failed: row(
    "client",
    400,
    "never",
    "The client's TLS handshake failed; the connection was closed without a response.",
  ),
  tls_handshake_timeout: row(
    "client",
    408,
    "never",
    "The TLS handshake was not done within timeouts.tlsHandshake; the connection was closed without a response.",
  ),
  tls_expected: row("client", 400, "never", "Plain HTTP was spoken to a port that speaks TLS."),
  body_too_large: row("client", 413, "never", "The body is larger than limits.bodyBytesMax."),
  loop_detected: row(
    "client",
    508,
    "never",
    "Via or CDN-Loop says that the request went through this balancer too often.",
  ),
  client_gone: row(
    "client",
    499,
    "never",
    "The client left before its response was complete, or it ended its side and there was nothing to send to it for timeouts.clientHalfClosed.",
  ),

  connect_failed: row(
    "backend",
    502,
    "always",
    "The backend refused the connection or could not be reached.",
  ),
  connect_timeout: row(
    "backend",
    504,
    "always",
    "The name look-up, the connection and the TLS handshake together took longer than timeouts.connect.",
  ),
  resolve_failed: row("backend", 502, "always", "The backend's DNS name could not be resolved."),
  backend_tls_failed: row(
    "backend",
    502,
    "always",
    "The TLS handshake with the backend failed, or its certificate is not the one expected.",
  ),
  backend_reset: row("backend", 502, "idempotent", "The backend closed the connection before it responded."),
  response_head_timeout: row(
    "backend",
    504,
    "never",
    "The backend did not respond within timeouts.responseHead.",
  ),
  invalid_response: row(
    "backend",
    502,
    "never",
    "The backend's response does not follow the grammar of HTTP/1.1.",
  ),
  response_cut: row(
    "backend",
    502,
    "never",
    "The backend's response ended before it was complete; it was cut for the client too.",
  ),
  response_timeout: row(
    "backend",
    504,
    "never",
    "The backend's response stood still for timeouts.betweenBytes; it was cut.",
  ),

  exchange_timeout: row("balancer", 504, "never", "The exchange took longer than timeouts.exchange."),
  tunnel_timeout: row(
    "balancer",
    504,
    "never",
    "The tunnel stood still for timeouts.streamIdle; it was closed.",
  ),
  local_shortage: row(
    "balancer",
    503,
    "always",
    "The system had no descriptor, port or memory left for a connection to a backend.",
  ),
  no_backend: row("balancer", 503, "never", "No backend is registered and fit to take requests."),
  no_backend_fits: row(
    "balancer",
    503,
    "never",
    "The request declares, or its rule says, that it needs more of a space than any backend has.",
  ),
  connection_reclaimed: row(
    "client",
    503,
    "never",
    "The client was slow to send or to read while others waited for the backend's connection.",
  ),
  queue_full: row(
    "balancer",
    503,
    "never",
    "No backend has room, and limits.queueMax requests wait already.",
  ),
  queue_timeout: row("balancer", 503, "never", "No backend had room within timeouts.queue."),
  too_many_connections: row(
    "balancer",
    503,
    "never",
    "The thread has limits.connectionsMax client connections, or no descriptor is left for another one; the connection was closed without a response.",
  ),
  shutting_down: row("balancer", 503, "never", "The balancer is stopping."),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

/** All codes; the index of a code is its counter's index. */
export const errorCodes: readonly ErrorCode[] = Object.keys(errors) as ErrorCode[]

function row(source: ErrorSource, status: number, retry: RetryRule, meaning: string): ErrorRow {
  return { source, status, retry, meaning }
}
