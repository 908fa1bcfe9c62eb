/** The most and the longest of everything. A new limit is a line here and the place that keeps it. */

import { bodyLimitsDefault } from "../../http1/body.ts"
import { headLimitsDefault } from "../../http1/limits.ts"
import { placingDefaults } from "../../placing/limits.ts"
import { formatDuration } from "../../text/duration.ts"
import { duration, integer, section } from "../../text/schema-words.ts"

const week = 7 * 24 * 3_600_000

export const limits = section("The most of everything.", {
  headBytesMax: integer(1_024, 1_048_576, headLimitsDefault.headBytesMax).describe(
    "The head of a request or a response, bytes.",
  ),
  fieldsMax: integer(8, 10_000, headLimitsDefault.fieldsMax).describe(
    "Header fields of a request or a response.",
  ),
  targetBytesMax: integer(64, 1_048_576, headLimitsDefault.targetBytesMax).describe(
    "A request's target, bytes.",
  ),
  fieldLineBytesMax: integer(64, 1_048_576, headLimitsDefault.fieldLineBytesMax).describe(
    "A header field line, bytes.",
  ),
  attemptsMax: integer(1, 10, placingDefaults.attemptsMax).describe(
    "Attempts of one exchange, the first included.",
  ),
  replayBytesMax: integer(0, 16_777_216, 65_536).describe("Body kept for another attempt, bytes."),
  collectedBytesMax: integer(0, 16_777_216, 1_048_576).describe(
    "A request's body that is read whole before a backend's connection is taken, bytes; 0 is none.",
  ),
  collectedBytesTotalMax: integer(0, 4_294_967_296, 33_554_432).describe(
    "All such bodies of one worker, bytes; what has no room goes on as it comes.",
  ),
  connectionsMax: integer(1, 1_000_000, 10_000).describe("Client connections of one worker."),
  descriptorsMax: integer(64, 1_000_000_000, 1_024)
    .unwrap()
    .optional()
    .describe("Descriptors of the whole process, connections included; what the system allows when absent."),
  connectionsPerBackendMax: integer(1, 1_000_000, 1_024).describe(
    "Connections of one worker to one backend.",
  ),
  pipelinedMax: integer(1, 64, 1).describe(
    "Safe requests that are written together on one backend connection; 1 is no pipelining.",
  ),
  idlePerBackendMax: integer(0, 10_000, 64).describe("Idle connections of one worker to one backend."),
  requestsPerBackendConnectionMax: integer(1, 1_000_000_000, 10_000).describe(
    "Requests that a backend connection carries; up to a fifth fewer, so that not all end at once.",
  ),
  requestsPerConnectionMax: integer(1, 1_000_000_000, 1_000).describe("Requests of a client connection."),
  chunkExtensionBytesMax: integer(0, 1_048_576, bodyLimitsDefault.chunkExtensionBytesMax).describe(
    "Chunk extensions of one body, bytes.",
  ),
  trailerBytesMax: integer(0, 1_048_576, bodyLimitsDefault.trailerBytesMax).describe(
    "The trailer section of one body, bytes.",
  ),
  interimBytesPerSecondMax: integer(1_024, 1_073_741_824, 1_048_576).describe(
    "Interim responses (1xx) from one backend connection, bytes per second.",
  ),
  queueMax: integer(0, 1_000_000, placingDefaults.queueMax).describe("Requests that wait for room."),
  bodyBytesMax: integer(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).describe(
    "A request's body, bytes; no limit by default.",
  ),
  bodyBytesPerSecondMin: integer(0, 1_073_741_824, 240).describe(
    "How fast a request's body must come after timeouts.clientBody, on average; 0 is any.",
  ),
  responseBytesPerSecondMin: integer(0, 1_073_741_824, 240).describe(
    "How fast a client that is behind must take its response after timeouts.betweenBytes, on average; 0 is any.",
  ),
})

export const timeouts = section("The longest of everything.", {
  clientHead: duration("10s").describe("A request's head, from its first byte."),
  tlsHandshake: duration("10s").describe("A TLS handshake."),
  clientIdle: duration("75s").describe("A client connection between requests."),
  clientBody: duration("60s").describe("Between two pieces of a request's body."),
  clientHalfClosed: duration("1s", 0, week).describe(
    "How long a client that has ended its side is served without a byte to write to it; 0s is not at all.",
  ),
  linger: duration("30s").describe(
    "Reading and discarding the rest of a request whose response came early, so that its client can read that.",
  ),
  lingerIdle: duration("5s").describe("Between two pieces of that rest."),
  connect: duration("3s").describe("A connection to a backend."),
  responseHead: duration("30s").describe("A response's head, once the request is sent."),
  betweenBytes: duration("60s").describe("Between two pieces of a response."),
  streamIdle: duration("1h").describe("Between two pieces in a tunnel or of an event stream."),
  exchange: duration("0s", 0, week).describe("A whole exchange; 0s is no limit."),
  backendIdle: duration("55s").describe("A backend connection between requests."),
  backendAge: duration("10m", 0).describe(
    "The age at which a backend connection ends, once it carries no request; up to a fifth earlier. 0s is no limit.",
  ),
  queue: duration(formatDuration(placingDefaults.queueMs)).describe("Waiting for room."),
  drain: duration("30s", 0).describe("Exchanges that still run when the balancer stops."),
  firstMember: duration("5s", 0).describe(
    "After the start: how long requests wait for a first backend, within timeouts.queue; then they get 503.",
  ),
  unready: duration("1s", 0).describe(
    "When it stops: how long /readyz fails, and every response closes its connection, before the listeners close.",
  ),
  threadStill: duration("5s", 1_000).describe(
    "How long a data-plane thread may stand still before it is ended and replaced.",
  ),
})
