/** What is between the balancer and its clients. */

import * as z from "zod"
import { hostOf } from "../../core/host.ts"
import { duration, flag, integer, listOf, mapping, oneOf, section } from "../../text/schema-words.ts"
import { anyCidrs, endpoint, filePath, hostName, portMax } from "./words.ts"

const certificate = mapping({
  cert: filePath.describe("A PEM file: the certificate, then its chain."),
  key: filePath.describe("A PEM file with its private key."),
  names: listOf(hostName, "host names", 256)
    .optional()
    .describe("The names that it is for; when absent, those in the certificate."),
})
const minVersionExpected = 'one of "1.2", "1.3"'
export const tls = mapping({
  listen: endpoint(":5443", "").describe("The address of the TLS listener; :port is every interface."),
  certificates: listOf(certificate, "certificates", 256).describe(
    "The certificates; the first is for clients that name no host, or an unknown one.",
  ),
  minVersion: z
    // YAML reads 1.2 without quotes as a number.
    .union([z.enum(["1.2", "1.3"]), z.literal(1.2), z.literal(1.3)], { error: minVersionExpected })
    .transform((version) => `TLSv${version}` as const)
    .describe("The oldest version of TLS that is accepted.")
    .prefault("1.2"),
  redirect: flag(false).describe("Whether the plain listener redirects every request to this one, by 308."),
  redirectPort: integer(1, portMax, 443)
    .unwrap()
    .optional()
    .describe("The port that redirects name, when it is not that of listen."),
  ticketRotation: duration("8h", 1_000).describe("How often the key for session tickets changes."),
})
  .optional()
  .describe("A listener for TLS, beside the plain one; when absent there is none.")

export const proxyProtocol = section(
  "The PROXY protocol, versions 1 and 2, from balancers in front of this one.",
  {
    accept: anyCidrs
      .default([])
      .describe("The addresses whose connections have to start with a PROXY header."),
  },
)

export const via = section(
  "Whether Via (RFC 9110 7.6.3) says that messages have come through this balancer.",
  {
    toBackends: flag(true).describe(
      "To backends, some of which then do not compress (nginx: gzip_proxied); else CDN-Loop (RFC 8586) shows loops.",
    ),
    toClients: flag(false).describe("To clients."),
  },
)

const authorityExpected = "a host with or without a port, like a.example or a.example:8080"
export const requests = section("What is accepted from clients.", {
  upgrade: flag(true).describe("Whether a request may turn its connection into a tunnel (WebSocket)."),
  underscores: oneOf(["collisions", "pass", "reject", "drop"], "collisions").describe(
    "Fields with _ in their name, which some backends take for -; collisions drops those that could then be taken " +
      "for a field of the balancer's own.",
  ),
  hostConflicts: oneOf(["none", "port", "all"], "port").describe(
    "Which requests are refused because their target has a host and Host says something else: none, those that name " +
      "the same host with another port, or all. Of others the target counts (RFC 9112 3.2.2).",
  ),
  host: z
    .string({ error: authorityExpected })
    .refine((text) => hostOf(text) !== undefined, { error: authorityExpected })
    .optional()
    .describe(
      "The host of HTTP/1.0 requests that name none; when absent, the address that the client connected to.",
    ),
  trailers: oneOf(["drop", "pass"], "drop").describe(
    "Whether the trailer section of a request, and its Trailer field, reach the backend.",
  ),
})

export const response = section("What clients are told.", {
  backendHeader: flag(false).describe("Whether X-Linebacker-Backend names the backend that responded."),
  loadReports: oneOf(["strip", "pass"], "strip").describe(
    "Whether load reports of backends (endpoint-load-metrics) reach the client.",
  ),
  trailers: oneOf(["asked", "pass"], "asked").describe(
    "Which clients get the trailer section of a response, and its Trailer field: those that ask (TE: trailers), or " +
      "all of HTTP/1.1.",
  ),
})
