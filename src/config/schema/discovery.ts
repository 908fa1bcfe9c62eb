/** Where backends are found, beside those that the settings list and those that announce themselves. */

import * as z from "zod"
import { isIpv4, isIpv6, parseEndpoint } from "../../core/endpoint.ts"
import { integer, mapping, oneOf, section, span } from "../../text/schema-words.ts"
import { backendFacts } from "./backends.ts"
import { dnsName, portMax } from "./words.ts"

const patternExpected = "the path of a file, with * and ? in its last part only"
const filesMax = 64
const namesMax = 64
const hour = 3_600_000

const serverExpected = "the IP address of a name server, like 10.0.0.2 or 10.0.0.2:8600"

/** What is asked of DNS, and what is said of every backend that is found so. */
const dnsEntry = mapping({
  ...backendFacts,
  name: dnsName.describe("The name that is asked for, like app.internal or _http._tcp.app.internal."),
  type: oneOf(["A", "AAAA", "SRV"], "A").describe(
    "A and AAAA: each address is a backend; SRV: each target, with its port, its priority as tier, its weight.",
  ),
  port: integer(1, portMax, 80)
    .unwrap()
    .optional()
    .describe("Where addresses take requests; SRV says it itself."),
  interval: span(1_000, hour)
    .optional()
    .describe("How often it is asked; when absent, when its time to live is over, and 10s with SRV."),
  server: z
    .string({ error: serverExpected })
    .refine(isServer, { error: serverExpected })
    .optional()
    .describe("The name server that is asked; those of /etc/resolv.conf when absent."),
})

function isServer(text: string): boolean {
  if (isIpv4(text) || isIpv6(text)) return true
  const { host, port } = parseEndpoint(text) ?? { host: "", port: 0 }
  return port > 0 && (isIpv4(host) || isIpv6(host))
}

export const discovery = section("Where backends are found, beside those that are listed or announced.", {
  files: z
    .array(z.string({ error: patternExpected }).regex(/^(?:[^*?]*\/)?[^/]+$/, { error: patternExpected }), {
      error: "a list of files",
    })
    .max(filesMax, { error: `a list of at most ${filesMax} files` })
    .default([])
    .describe(
      "Files with lists as under backends, followed while the balancer runs; in a name * is any text, ? any character.",
    ),
  dns: z
    .array(dnsEntry, { error: "a list of names with what is asked of them" })
    .max(namesMax, { error: `a list of at most ${namesMax} names` })
    .default([])
    .describe("Names whose addresses or services are backends, asked again while the balancer runs."),
})
