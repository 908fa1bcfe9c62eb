/** The words that only the settings of the balancer have, beside those of `text/schema-words.ts`. */

import * as z from "zod"
import { endpointExpected, isCidr, isDnsName, parseEndpoint } from "../../core/endpoint.ts"
import { normalHost } from "../../core/host.ts"
import { listOf, matching } from "../../text/schema-words.ts"

export const portMax = 65_535
export const loopback = "127.0.0.1"

/** @param hostDefault where only a port is written: "" is every interface. */
export function endpoint(fallback: string, hostDefault: string) {
  const error = endpointExpected
  return z
    .union([z.string(), z.int({ error }).min(0, { error }).max(portMax, { error })], { error })
    .transform((value, check) => {
      const endpoint = parseEndpoint(value)
      if (endpoint !== undefined) return { ...endpoint, host: endpoint.host || hostDefault }
      check.issues.push({ code: "custom", message: error, input: value })
      return z.NEVER
    })
    .prefault(fallback)
}

export const filePath = matching(/./, "the path of a file")
/** A path of HTTP. */
export const urlPath = matching(/^\/[\x21-\x7e]{0,1023}$/, 'a path that starts with "/"')
export const shortName = matching(/^[A-Za-z0-9._-]{1,64}$/, "a name of up to 64 of A-Z, a-z, 0-9, ., _ and -")
const cidr = z.string({ error: "a CIDR like 10.0.0.0/8" }).refine(isCidr, { error: "a CIDR like 10.0.0.0/8" })
export const cidrs = listOf(cidr, "CIDRs", 256)
/** The same, or none at all. */
export const anyCidrs = z
  .array(cidr, { error: "a list of CIDRs" })
  .max(256, { error: "a list of at most 256 CIDRs" })

const hostNameExpected = "a host name like a.example or *.example"
/** In its normal form. */
export const hostName = matching(
  /^(?=.{1,253}\.?$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/,
  hostNameExpected,
).transform(normalHost)

export const dnsName = z.string({ error: "a DNS name" }).refine(isDnsName, { error: "a DNS name" })
export const amountExpected = "a number of at least 0"
/** Its bounds are those of its resource, which config-checks.ts looks at. */
export const amount = z.number({ error: amountExpected })

export function number(min: number, max: number, fallback: number) {
  const error = `a number from ${min} to ${max}`
  return z.number({ error }).min(min, { error }).max(max, { error }).default(fallback)
}

const statusExpected = "a status like 204 or a range like 200-399, from 200 to 599"
const statusRange = z
  .union([z.string(), z.int({ error: statusExpected })], { error: statusExpected })
  .transform((value, check) => {
    const [, from, to = from] = /^([2-5][0-9]{2})(?:-([2-5][0-9]{2}))?$/.exec(String(value)) ?? []
    if (from !== undefined && from <= to!) return { from: Number(from), to: Number(to) }
    check.issues.push({ code: "custom", message: statusExpected, input: value })
    return z.NEVER
  })

export const statuses = listOf(statusRange, "statuses", 32)
