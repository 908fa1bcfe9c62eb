/** What the control plane does: where backends announce themselves, the page and its API, checks. */

import * as z from "zod"
import { isUnixPath } from "../../membership/address.ts"
import { checkTimesDefault } from "../../membership/health.ts"
import { registrationLimits } from "../../membership/registration.ts"
import { registryDefaults } from "../../membership/registry.ts"
import { formatDuration } from "../../text/duration.ts"
import { duration, flag, integer, matching, oneOf, section } from "../../text/schema-words.ts"
import { cidrs, endpoint, filePath, loopback, portMax, statuses, urlPath } from "./words.ts"

/** What is allowed, as the end of the sentence "expected …". */
export const tokenExpected = "1 to 256 visible ASCII characters without a space"
export const tokenPattern: RegExp = /^[\x21-\x7e]{1,256}$/
const token = matching(tokenPattern, tokenExpected).optional().describe("What a peer must send as Bearer.")
const tokenFile = filePath.optional().describe("A file that holds the token, read at the start.")
const folderExpected = 'the absolute path of a folder, without "." and ".."'
const isFolder = (path: string): boolean => path === "/" || isUnixPath(path.replace(/\/$/, ""))
const hosts = z
  .array(matching(/^[A-Za-z0-9._-]{1,253}$/, "a host name"), { error: "a list of host names" })
  .max(64, { error: "a list of at most 64 host names" })
  .default([])

export const registration = section("Where backends announce themselves.", {
  listen: endpoint("127.0.0.1:9797", loopback).describe("The address of the listener; :port is 127.0.0.1."),
  token,
  tokenFile,
  allow: cidrs.optional().describe("The addresses that may announce."),
  hosts: hosts.describe(
    "Names that Host may have, besides addresses and names without a dot; with a token any may.",
  ),
  allowForeignAddresses: flag(false).describe("Whether a peer may announce another's address."),
  unixFolders: z
    .array(z.string({ error: folderExpected }).refine(isFolder, { error: folderExpected }), {
      error: "a list of folders",
    })
    .max(64, { error: "a list of at most 64 folders" })
    .default([])
    .describe("Folders in which a peer on this machine may announce Unix sockets."),
  legacyPort: integer(1, portMax, registryDefaults.legacyPort).describe(
    "The port of backends that announce without one.",
  ),
  ttl: duration(formatDuration(registryDefaults.ttlMs), registrationLimits.ttlMsMin).describe(
    "A lease that is not renewed ends after this.",
  ),
  renew: duration(formatDuration(registryDefaults.renewMs), 10).describe(
    "How often backends are asked to renew.",
  ),
  suspect: duration(formatDuration(registryDefaults.suspectMs), 10).describe(
    "A lease that is not renewed is suspect after this.",
  ),
  backendsMax: integer(1, 65_536, registryDefaults.backendsMax).describe("Backends at one time."),
})

export const admin = section("The page, the admin API and the metrics.", {
  listen: endpoint("127.0.0.1:9494", loopback).describe("The address of the listener; :port is 127.0.0.1."),
  token,
  tokenFile,
  allow: cidrs.default(["127.0.0.0/8", "::1/128"]).describe("The addresses that may read."),
  hosts: hosts.describe("Names for the page, besides addresses and localhost."),
})

export const checks = section("Active checks of every backend.", {
  kind: oneOf(["tcp", "http"], "tcp").describe(
    "tcp: a connection opens; http: the response to a GET has one of statuses.",
  ),
  path: urlPath.default("/healthz").describe("What an http check asks for."),
  statuses: statuses
    .prefault(["200-299"])
    .describe("The statuses with which an http check passes; a redirect is not followed."),
  interval: duration(formatDuration(checkTimesDefault.intervalMs), 10).describe(
    "The time between two checks of a backend that passes them.",
  ),
  timeout: duration(formatDuration(checkTimesDefault.timeoutMs), 10).describe(
    "How long a check may take; one that takes longer has failed.",
  ),
  fall: integer(1, 100, checkTimesDefault.fall).describe("Failed checks in a row that eject a backend."),
  rise: integer(1, 100, checkTimesDefault.rise).describe("Passed checks in a row that bring it back."),
})
