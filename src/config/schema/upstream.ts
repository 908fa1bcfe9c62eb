/** How backends are spoken to. */

import { duration, flag, mapping, oneOf, section } from "../../text/schema-words.ts"
import { dnsName, filePath, urlPath } from "./words.ts"

const hour = 3_600_000

export const upstream = section("How the balancer connects to backends.", {
  nameTtl: duration("5s", 0, hour).describe("How long the addresses of a DNS name count."),
  nameKeep: duration("1h", 0, 7 * 24 * hour).describe(
    "How long the addresses of a DNS name count in all while it cannot be resolved.",
  ),
  resolver: oneOf(["direct", "system"], "direct").describe(
    "direct: /etc/hosts and DNS, for all names at once; system: getaddrinfo, which takes a few names at a time.",
  ),
  proxyProtocol: oneOf(["none", "v1", "v2"], "none").describe(
    "Whether backends are told of the client by the PROXY protocol; connections are not shared then.",
  ),
  tls: section("TLS to backends that announce the scheme https.", {
    ca: filePath.optional().describe("The authorities to trust, a file in PEM; those of Node.js without it."),
    verify: flag(true).describe("Whether certificates must be valid and have the right name."),
    serverName: dnsName
      .optional()
      .describe("The name in every backend's certificate, instead of what it announces or its address."),
    cert: filePath
      .optional()
      .describe("The certificate and its chain that the balancer shows, a file in PEM."),
    key: filePath.optional().describe("Its private key, a file in PEM."),
  }),
  lenientHeads: flag(false).describe(
    "Whether heads of responses may have lines that end in LF alone or are folded, and blanks before a colon.",
  ),
  askLoadReports: oneOf(["none", "TEXT", "JSON"], "none").describe(
    "The form in which backends are asked for a load report with every request.",
  ),
  loadReports: mapping({
    path: urlPath.describe("The path of the GET request."),
    interval: duration("10s", 100).describe("The time between two such requests to one backend."),
  })
    .optional()
    .describe("How backends are asked for load reports beside traffic; when absent, they are not."),
})
