/**
 * Which settings there are: the one schema for the file, for embedding and for editors. Every setting has a
 * default, so `{}` is a valid configuration.
 */

import * as z from "zod"
import { isUnixPath } from "../membership/address.ts"
import { formatDuration } from "../text/duration.ts"
import { endpointExpected, isCidr, isDnsName, parseEndpoint } from "../core/endpoint.ts"
import { normalHost } from "../core/host.ts"
import { learnedRoutesDefault, routePathError } from "../routing/routes.ts"
import { xxhash32 } from "../core/hash.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { apertureSizeDefault } from "../policies/around/aperture.ts"
import { policyDefault, type PolicySpec } from "../policies/index.ts"
import { hostOf } from "../proxy/entrance/authority.ts"
import { checkTimesDefault } from "../membership/health.ts"
import { registrationLimits } from "../membership/registration.ts"
import { registryDefaults } from "../membership/registry.ts"
import { bodyLimitsDefault } from "../http1/body.ts"
import { headLimitsDefault } from "../http1/limits.ts"
import { slowStartDefault } from "../policies/around/slow-start.ts"
import { tierDefault } from "../policies/around/tiers.ts"
import { zoneMembersMinDefault } from "../policies/around/zone-preference.ts"
import type { SchemaIssue } from "../text/schema-issues.ts"
import { duration, flag, integer, listOf, mapping, matching, oneOf, section } from "../text/schema-words.ts"
import { resourcesSchema } from "../text/resources-schema.ts"
import type { Config, PoolConfig, RouteConfig, TlsConfig } from "./config.ts"

const portMax = 65_535
const hour = 3_600_000

function endpoint(fallback: string, hostDefault: string) {
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

/** What is allowed, as the end of the sentence "expected …". */
export const tokenExpected = "1 to 256 visible ASCII characters without a space"
export const tokenPattern: RegExp = /^[\x21-\x7e]{1,256}$/
const token = matching(tokenPattern, tokenExpected).optional().describe("What a peer must send as Bearer.")
const tokenFile = matching(/./, "the path of a file")
  .optional()
  .describe("A file that holds the token, read at the start.")
const pemFile = matching(/./, "the path of a file").optional()
const folderExpected = 'the absolute path of a folder, without "." and ".."'
const isFolder = (path: string): boolean => path === "/" || isUnixPath(path.replace(/\/$/, ""))
const cidr = z.string({ error: "a CIDR like 10.0.0.0/8" }).refine(isCidr, { error: "a CIDR like 10.0.0.0/8" })
const cidrs = listOf(cidr, "CIDRs", 256)
const anyCidrs = z
  .array(cidr, { error: "a list of CIDRs" })
  .max(256, { error: "a list of at most 256 CIDRs" })
const loopback = "127.0.0.1"

const authorityExpected = "a host with or without a port, like a.example or a.example:8080"
const hostNameExpected = "a host name like a.example or *.example"
const hostName = matching(
  /^(?=.{1,253}\.?$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/,
  hostNameExpected,
).transform(normalHost)
const certificate = mapping({
  cert: matching(/./, "the path of a file").describe("A PEM file: the certificate, then its chain."),
  key: matching(/./, "the path of a file").describe("A PEM file with its private key."),
  names: listOf(hostName, "host names", 256)
    .optional()
    .describe("Which names it is for; those in the certificate when absent."),
})
const minVersionExpected = 'one of "1.2", "1.3"'
const tls = mapping({
  listen: endpoint(":5443", "").describe("Where TLS is spoken; :port is every interface."),
  certificates: listOf(certificate, "certificates", 256).describe(
    "The first is for clients that name no host, or one that none is for.",
  ),
  minVersion: z
    // YAML reads 1.2 without quotes as a number.
    .union([z.enum(["1.2", "1.3"]), z.literal(1.2), z.literal(1.3)], { error: minVersionExpected })
    .default("1.2")
    .describe("The oldest version of TLS that is spoken."),
  redirect: flag(false).describe("Whether requests on the plain listener are answered with 308 to this one."),
  redirectPort: integer(1, portMax, 443)
    .unwrap()
    .optional()
    .describe("The port that redirects name, when it is not that of listen."),
  ticketRotation: duration("8h", 1_000).describe("How often the key of session tickets changes."),
})
  .optional()
  .describe("A listener that speaks TLS, beside the plain one; absent is none.")

const workersExpected = "auto or an integer from 1 to 64"
const workerCount = z
  .int({ error: workersExpected })
  .min(1, { error: workersExpected })
  .max(64, { error: workersExpected })
const amount = z.number({ error: "a number of at least 0" })

function number(min: number, max: number, fallback: number) {
  const error = `a number from ${min} to ${max}`
  return z.number({ error }).min(min, { error }).max(max, { error }).default(fallback)
}

const policyExpected = "the name of a policy, or a mapping with its name and its parameters"
const policy = z
  .union([z.string(), z.object({ name: z.string() }).catchall(z.unknown())], { error: policyExpected })
  .transform((written): WrittenPolicy => {
    if (typeof written === "string") return { name: written, parameters: {} }
    const { name, ...parameters } = written
    return { name, parameters }
  })

const label = z.string({ error: "text" })
const poolName = matching(/^[A-Za-z0-9._-]{1,64}$/, "a name of up to 64 of A-Z, a-z, 0-9, ., _ and -")
const pool = mapping({
  name: poolName,
  match: mapping({
    labels: z
      .record(z.string(), label, { error: "labels with their values" })
      .default({})
      .describe("Each of these labels with exactly this value."),
    zone: label.optional().describe("The zone that they announce."),
    ids: listOf(z.string({ error: "the id of a backend" }), "ids", 1_024)
      .optional()
      .describe("Their ids."),
  }).describe("Which backends: those that fit all that is given."),
  policy: policy.optional().describe("How one of them is chosen; as everywhere when absent."),
})

const statusExpected = "a status like 204 or a range like 200-399, from 200 to 599"
const statusRange = z
  .union([z.string(), z.int({ error: statusExpected })], { error: statusExpected })
  .transform((value, check) => {
    const [, from, to = from] = /^([2-5][0-9]{2})(?:-([2-5][0-9]{2}))?$/.exec(String(value)) ?? []
    if (from !== undefined && from <= to!) return { from: Number(from), to: Number(to) }
    check.issues.push({ code: "custom", message: statusExpected, input: value })
    return z.NEVER
  })

const affinityKinds = ["none", "cookie", "header", "address", "path", "query"] as const
const affinityKind = z.enum(affinityKinds, { error: `one of ${affinityKinds.join(", ")}` })
const affinityShape = {
  kind: affinityKind
    .default("none")
    .describe(
      "cookie: a cookie of ours names the backend; the others are keys for the hashing policies: a field, " +
        "the client's address, the path, a parameter of the query.",
    ),
  name: matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "a name of up to 128 letters, digits, - and _")
    .optional()
    .describe("Of the cookie, the field or the parameter."),
  caching: z
    .enum(["private", "keep"], { error: "private or keep" })
    .default("private")
    .describe(
      "private: no shared cache stores a response that sets the cookie; keep: what the backend says to caches stands.",
    ),
  sameSite: z
    .enum(["lax", "strict", "none", "Lax", "Strict", "None"], { error: "lax, strict or none" })
    .default("lax")
    .describe(
      "Which requests from pages of other sites carry the cookie: lax: links; strict: none; none: all, over TLS only.",
    ),
  secure: oneOf(["auto", "always"], "auto").describe(
    "Whether browsers send the cookie over TLS only; auto: when the client came by TLS, as trusted proxies say.",
  ),
  partitioned: flag(false).describe(
    "Whether the cookie is kept apart for each site that embeds this one (CHIPS); over TLS only.",
  ),
  maxAge: duration("0s", 0, 400 * 24 * hour).describe(
    "How long browsers keep the cookie; 0s is until they close.",
  ),
  domain: z
    .string({ error: "a DNS name" })
    .refine(isDnsName, { error: "a DNS name" })
    // Browsers take no cookie with a dot at the end of its domain.
    .transform(normalHost)
    .optional()
    .describe("The cookie is sent to this host and all below it; when absent, only to the host that set it."),
  path: matching(
    /^\/[\x21-\x3a\x3c-\x7e]{0,1023}$/,
    'a path that starts with "/", without blanks and semicolons',
  )
    .default("/")
    .describe("The cookie is sent with requests for paths below this one."),
}

const affinityPart = mapping(affinityShape)
const cookieNameDefault = "linebacker"

const route = mapping({
  name: matching(/^[^\p{Cc}]{1,128}$/u, "a name of up to 128 characters")
    .optional()
    .describe("For people; what it matches when absent."),
  method: matching(/^[A-Z]{1,32}$/, "a method like GET")
    .optional()
    .describe("Any when absent."),
  host: hostName.optional().describe("Any when absent."),
  path: z
    .string({ error: "a path like /users/* or /files/**" })
    .max(1_024, { error: "a path of at most 1024 characters" })
    .check((check) => {
      const wrong = routePathError(check.value)
      if (wrong === undefined) return
      // What was found is said in its place.
      const message = `a path like /users/* or /files/**; it ${wrong.replace(/; found [^]*$/, "")}`
      check.issues.push({ code: "custom", message, input: check.value })
    })
    .describe("/users/* has one segment more, /files/** any number."),
  pool: z
    .string({ error: "the name of a pool" })
    .optional()
    .describe("Who serves it; everybody when absent."),
  policy: policy.optional().describe("How a backend is chosen; as in its pool when absent."),
  demand: z
    .record(z.string(), amount, { error: "amounts by resource" })
    .optional()
    .describe("What its requests need; what is not given is learned."),
  trusted: flag(false).describe(
    "Whether what its requests declare of their demand is taken as it is, from any client.",
  ),
  affinity: affinityPart.optional().describe("What its requests stick to."),
})

const choosing = section("What is around every policy.", {
  slowStart: section("How a backend that has just come warms up.", {
    window: duration(formatDuration(slowStartDefault.windowMs), 0).describe("How long; 0s is not at all."),
    aggression: number(0.01, 100, slowStartDefault.aggression).describe(
      "1 grows evenly, more is faster at first.",
    ),
    minShare: number(0.001, 1, slowStartDefault.minShare).describe("What it begins with."),
  }),
  zone: mapping({
    local: matching(/^.{1,128}$/, "the name of a zone").describe("The zone of this balancer."),
    membersMin: integer(1, 65_536, zoneMembersMinDefault).describe(
      "With fewer backends, zones do not matter.",
    ),
    origins: z
      .record(z.string(), amount, { error: "amounts by zone" })
      .optional()
      .describe("Which part of all requests arrives in which zone; the same in each when absent."),
  })
    .optional()
    .describe("The own zone first; absent is no matter where."),
  tiers: mapping({
    overprovisioning: number(1, 100, tierDefault.overprovisioning).describe(
      "How much more a backend can carry.",
    ),
    memory: duration("10m", 1_000).describe("How long backends that have gone count as missing."),
    membersPerTier: listOf(integer(0, 65_536, 0).unwrap(), "numbers of backends", 100)
      .optional()
      .describe("How many there are when all is well."),
  })
    .optional()
    .describe(
      "Backends with the label tier=1 are for when those before them do not suffice; absent is no tiers.",
    ),
  subset: mapping({
    size: integer(1, 65_536, 20).describe("How many backends this balancer uses."),
    seed: integer(0, 4_294_967_295, 0)
      .unwrap()
      .optional()
      .describe("What tells balancers apart; their name when absent."),
  })
    .optional()
    .describe("Not every balancer uses every backend; absent is all of them."),
  aperture: mapping({
    size: integer(1, 65_536, apertureSizeDefault).describe("How many backends a balancer uses, at least."),
    balancers: integer(1, 65_536, 1).unwrap().describe("How many balancers there are."),
    balancer: integer(0, 65_535, 0).unwrap().describe("Which of them this is, counted from 0."),
  })
    .optional()
    .describe(
      "Instead of a subset: parts that balancers cut without gaps, so that all backends are used alike.",
    ),
})

const schema = mapping({
  name: matching(/^[A-Za-z0-9._-]{1,64}$/, "a name of up to 64 of A-Z, a-z, 0-9, ., _ and -")
    .default("linebacker")
    .describe("How Via names this balancer."),
  listen: endpoint(":5252", "").describe(
    "Where traffic arrives; :port is every interface, and a name is all of its addresses.",
  ),
  tls,
  proxyProtocol: section("The PROXY protocol, versions 1 and 2, from balancers before this one.", {
    accept: anyCidrs.default([]).describe("Who has to start every connection with a PROXY header."),
  }),
  trustedProxies: anyCidrs.default([]).describe("Whose X-Forwarded-* and Forwarded are believed."),
  via: section("Whether Via (RFC 9110 7.6.3) says that messages have come through this balancer.", {
    toBackends: flag(true).describe(
      "To backends, some of which then do not compress (nginx: gzip_proxied); else CDN-Loop (RFC 8586) shows loops.",
    ),
    toClients: flag(false).describe("To clients."),
  }),
  forwarded: flag(false).describe(
    "Whether Forwarded (RFC 7239) is always sent; else only where a trusted proxy has begun it.",
  ),
  workers: z
    .union([z.literal("auto"), workerCount], { error: workersExpected })
    .default("auto")
    .describe("Data-plane threads; auto is one a core."),
  policy: policy.prefault(policyDefault).describe("How a backend is chosen."),
  choosing,
  pools: z
    .array(pool, { error: "a list of pools" })
    .max(64, { error: "a list of at most 64 pools" })
    .default([])
    .describe("Backends that serve some routes only."),
  routes: z
    .array(route, { error: "a list of routes" })
    .max(256, { error: "a list of at most 256 routes" })
    .default([])
    .describe("What is special about some requests; the first that fits counts."),
  affinity: section("What requests stick to.", affinityShape),
  cookieKey: matching(/^[\x21-\x7e]{16,256}$/, "16 to 256 visible ASCII characters without a space")
    .optional()
    .describe("Makes the cookies of affinity; when absent they are good until the balancer restarts."),
  learning: section("What requests need, learned from what backends report.", {
    routesMax: integer(0, 1_024, learnedRoutesDefault).describe(
      "Routes that are learned beside those of routes.",
    ),
  }),
  seed: integer(0, Number.MAX_SAFE_INTEGER, 0).unwrap().optional().describe("Makes runs repeatable."),
  resources: resourcesSchema,
  demand: section("What requests need.", {
    mode: oneOf(["declared", "simulation"], "declared").describe(
      "declared: by header, else the default; simulation: drawn at random, 1 to 10.",
    ),
    default: z
      .record(z.string(), amount, { error: "amounts by resource" })
      .default({})
      .describe("What a request is taken to need of each resource, 1 where none is given."),
    trusted: anyCidrs
      .default([])
      .describe(
        "Clients whose declared demand is taken as it is; that of others is bounded by what is known or configured.",
      ),
  }),
  registration: section("Where backends announce themselves.", {
    listen: endpoint("127.0.0.1:9797", loopback).describe("Where; :port is 127.0.0.1."),
    token,
    tokenFile,
    allow: cidrs.optional().describe("Who may announce."),
    hosts: z
      .array(matching(/^[A-Za-z0-9._-]{1,253}$/, "a host name"), { error: "a list of host names" })
      .max(64, { error: "a list of at most 64 host names" })
      .default([])
      .describe("Names that Host may have, besides addresses and names without a dot; with a token any may."),
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
    backendsMax: integer(1, 65_536, registryDefaults.membersMax).describe("Backends at one time."),
  }),
  admin: section("The page, the admin API and the metrics.", {
    listen: endpoint("127.0.0.1:9494", loopback).describe("Where; :port is 127.0.0.1."),
    token,
    tokenFile,
    allow: cidrs.default(["127.0.0.0/8", "::1/128"]).describe("Who may read."),
    hosts: z
      .array(matching(/^[A-Za-z0-9._-]{1,253}$/, "a host name"), { error: "a list of host names" })
      .max(64, { error: "a list of at most 64 host names" })
      .default([])
      .describe("Names for the page, besides addresses and localhost."),
  }),
  checks: section("Active checks of every backend.", {
    kind: oneOf(["tcp", "http"], "tcp").describe(
      "tcp: a connection opens; http: the response to a GET has one of statuses.",
    ),
    path: matching(/^\/[\x21-\x7e]{0,1023}$/, 'a path that starts with "/"')
      .default("/healthz")
      .describe("What an http check asks for."),
    statuses: listOf(statusRange, "statuses", 32)
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
  }),
  backends: section("How backends are spoken to.", {
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
      ca: pemFile.describe("The authorities to trust, a file in PEM; those of Node.js without it."),
      verify: flag(true).describe("Whether certificates must be valid and have the right name."),
      serverName: z
        .string({ error: "a DNS name" })
        .refine(isDnsName, { error: "a DNS name" })
        .optional()
        .describe("The name in every backend's certificate, instead of what it announces or its address."),
      cert: pemFile.describe("The certificate and its chain that the balancer shows, a file in PEM."),
      key: pemFile.describe("Its private key, a file in PEM."),
    }),
    lenientHeads: flag(false).describe(
      "Whether heads of responses may have lines that end in LF alone or are folded, and blanks before a colon.",
    ),
    askLoadReports: oneOf(["none", "TEXT", "JSON"], "none").describe(
      "The form in which backends are asked for a load report with every request.",
    ),
    loadReports: mapping({
      path: matching(/^\/[\x21-\x7e]{0,1023}$/, 'a path that starts with "/"').describe(
        "What is asked for with GET.",
      ),
      interval: duration("10s", 100).describe("The time between two questions to one backend."),
    })
      .optional()
      .describe("Where backends are asked for load reports beside traffic; absent is nowhere."),
  }),
  limits: section("The most of everything.", {
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
    attemptsMax: integer(1, 10, 3).describe("Attempts of one exchange, the first included."),
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
      .describe(
        "Descriptors of the whole process, connections included; what the system allows when absent.",
      ),
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
    queueMax: integer(0, 1_000_000, 1_024).describe("Requests that wait for room."),
    bodyBytesMax: integer(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).describe(
      "A request's body, bytes; no limit by default.",
    ),
    bodyBytesPerSecondMin: integer(0, 1_073_741_824, 240).describe(
      "How fast a request's body must come after timeouts.clientBody, on average; 0 is any.",
    ),
    responseBytesPerSecondMin: integer(0, 1_073_741_824, 240).describe(
      "How fast a client that is behind must take its response after timeouts.betweenBytes, on average; 0 is any.",
    ),
  }),
  timeouts: section("The longest of everything.", {
    clientHead: duration("10s").describe("A request's head, from its first byte."),
    tlsHandshake: duration("10s").describe("A TLS handshake."),
    clientIdle: duration("75s").describe("A client connection between requests."),
    clientBody: duration("60s").describe("Between two pieces of a request's body."),
    clientHalfClosed: duration("1s", 0, 24 * 7 * hour).describe(
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
    exchange: duration("0s", 0, 24 * 7 * hour).describe("A whole exchange; 0s is no limit."),
    backendIdle: duration("55s").describe("A backend connection between requests."),
    backendAge: duration("10m", 0).describe(
      "The age at which a backend connection ends, once it carries no request; up to a fifth earlier. 0s is no limit.",
    ),
    queue: duration("5s").describe("Waiting for room."),
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
  }),
  requests: section("What is taken from clients.", {
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
        "What requests of HTTP/1.0 without Host are for; the address that the client connected to when absent.",
      ),
    trailers: oneOf(["drop", "pass"], "drop").describe(
      "Whether the trailer section of a request, and its Trailer field, reach the backend.",
    ),
  }),
  response: section("What clients are told.", {
    backendHeader: flag(false).describe("Whether X-Linebacker-Backend names who answered."),
    loadReports: oneOf(["strip", "pass"], "strip").describe(
      "Whether load reports of backends (endpoint-load-metrics) reach the client.",
    ),
    trailers: oneOf(["asked", "pass"], "asked").describe(
      "Which clients get the trailer section of a response, and its Trailer field: those that ask (TE: trailers), or " +
        "all of HTTP/1.1.",
    ),
  }),
})

/**
 * The settings as a person writes them: those of the file, as YAML gives them, and those of the library. Every setting
 * may be absent.
 */
export type Settings = z.input<typeof schema>

/** A policy as written: its name and its parameters may be wrong. */
export interface WrittenPolicy {
  readonly name: string
  readonly parameters: Readonly<Record<string, unknown>>
}

/** A part of the configuration that may name a policy, as written. */
export type WithWrittenPolicy<T extends { readonly policy: PolicySpec | undefined }> = Omit<T, "policy"> & {
  readonly policy: WrittenPolicy | (undefined extends T["policy"] ? undefined : never)
}

/**
 * The configuration with every setting right by itself, files not read (`backends.tls` has their paths), policies not
 * looked up and `demand.default` as written.
 */
export type ConfigDraft = Omit<WithWrittenPolicy<Config>, "pools" | "routes" | "backends"> & {
  readonly backends: Omit<Config["backends"], "tlsFiles">
  readonly pools: readonly WithWrittenPolicy<PoolConfig>[]
  readonly routes: readonly WithWrittenPolicy<RouteConfig>[]
  readonly registration: { readonly tokenFile: string | undefined }
  readonly admin: { readonly tokenFile: string | undefined }
}

/** Checks every setting by itself. The message of an issue is the end of the sentence "expected …". */
export function draftConfig(input: unknown): Result<ConfigDraft, readonly SchemaIssue[]> {
  const result = schema.safeParse(input)
  if (!result.success) return fail(result.error.issues)
  const { registration, checks, timeouts, backends, tls, choosing, affinity, ...rest } = result.data
  const { tls: backendTls } = backends
  return ok({
    ...rest,
    tls: tls === undefined ? undefined : tlsConfig(tls),
    seed: rest.seed,
    choosing: choosingOf(choosing, rest.name),
    affinity: affinityOf(affinity),
    cookieKey: rest.cookieKey,
    requests: { ...rest.requests, host: rest.requests.host },
    pools: rest.pools.map(({ name, match, policy }) => {
      return { name, match: { labels: match.labels, zone: match.zone, ids: match.ids }, policy }
    }),
    routes: rest.routes.map((route) => ({
      name: route.name ?? [route.method, `${route.host ?? ""}${route.path}`].filter(Boolean).join(" "),
      method: route.method,
      host: route.host,
      path: route.path,
      pool: route.pool,
      policy: route.policy,
      demand: route.demand,
      trusted: route.trusted,
      affinity: route.affinity && affinityOf(route.affinity),
    })),
    registration: {
      listen: registration.listen,
      token: registration.token,
      tokenFile: registration.tokenFile,
      allow: registration.allow,
      hosts: registration.hosts,
      allowForeignAddresses: registration.allowForeignAddresses,
      unixFolders: registration.unixFolders,
      legacyPort: registration.legacyPort,
      ttlMs: registration.ttl,
      renewMs: registration.renew,
      suspectMs: registration.suspect,
      backendsMax: registration.backendsMax,
    },
    admin: { ...rest.admin, token: rest.admin.token, tokenFile: rest.admin.tokenFile },
    checks: {
      kind: checks.kind,
      path: checks.path,
      statuses: checks.statuses,
      intervalMs: checks.interval,
      timeoutMs: checks.timeout,
      fall: checks.fall,
      rise: checks.rise,
    },
    backends: {
      nameTtlMs: backends.nameTtl,
      lenientHeads: backends.lenientHeads,
      nameKeepMs: backends.nameKeep,
      resolver: backends.resolver,
      proxyProtocol: backends.proxyProtocol,
      askLoadReports: backends.askLoadReports,
      loadReports: backends.loadReports && {
        path: backends.loadReports.path,
        intervalMs: backends.loadReports.interval,
      },
      tls: {
        verify: backendTls.verify,
        serverName: backendTls.serverName,
        ca: backendTls.ca,
        cert: backendTls.cert,
        key: backendTls.key,
      },
    },
    limits: { ...rest.limits, descriptorsMax: rest.limits.descriptorsMax },
    timeouts: {
      clientHeadMs: timeouts.clientHead,
      tlsHandshakeMs: timeouts.tlsHandshake,
      clientIdleMs: timeouts.clientIdle,
      clientBodyMs: timeouts.clientBody,
      clientHalfClosedMs: timeouts.clientHalfClosed,
      lingerMs: timeouts.linger,
      lingerIdleMs: timeouts.lingerIdle,
      connectMs: timeouts.connect,
      responseHeadMs: timeouts.responseHead,
      betweenBytesMs: timeouts.betweenBytes,
      streamIdleMs: timeouts.streamIdle,
      exchangeMs: timeouts.exchange,
      backendIdleMs: timeouts.backendIdle,
      backendAgeMs: timeouts.backendAge,
      queueMs: timeouts.queue,
      drainMs: timeouts.drain,
      firstMemberMs: timeouts.firstMember,
      unreadyMs: timeouts.unready,
      threadStillMs: timeouts.threadStill,
    },
  })
}

function affinityOf(written: z.infer<typeof affinityPart>): Config["affinity"] {
  const { caching, kind, name } = written
  const given = name ?? (kind === "cookie" ? cookieNameDefault : "")
  return {
    kind,
    name: kind === "header" ? given.toLowerCase() : given,
    caching,
    cookie: cookieOf(written, given),
  }
}

const sameSites = { lax: "Lax", strict: "Strict", none: "None" } as const

/**
 * Browsers take some cookies only with Secure: those of `SameSite=None`, with Partitioned, or with a name that says so.
 */
function cookieOf(
  { sameSite, secure, partitioned, maxAge, domain, path }: z.infer<typeof affinityPart>,
  name: string,
): Config["affinity"]["cookie"] {
  const site = sameSites[sameSite.toLowerCase() as keyof typeof sameSites]
  return {
    sameSite: site,
    secure: secure === "always" || site === "None" || partitioned || /^__(secure|host)-/i.test(name),
    partitioned,
    maxAgeSeconds: Math.ceil(maxAge / 1_000),
    domain: domain ?? "",
    path,
  }
}

function choosingOf(
  { slowStart, zone, tiers, subset, aperture }: z.infer<typeof choosing>,
  balancer: string,
): Config["choosing"] {
  const { window, aggression, minShare } = slowStart
  return {
    ...(window === 0 ? {} : { slowStart: { windowMs: window, aggression, minShare } }),
    ...(zone === undefined ? {} : { zone }),
    ...(tiers === undefined
      ? {}
      : {
          tiers: {
            overprovisioning: tiers.overprovisioning,
            memoryMs: tiers.memory,
            membersPerTier: tiers.membersPerTier,
          },
        }),
    ...(subset === undefined
      ? {}
      : { subset: { size: subset.size, seed: subset.seed ?? xxhash32(balancer) } }),
    ...(aperture === undefined ? {} : { aperture }),
  }
}

function tlsConfig({
  minVersion,
  redirectPort,
  ticketRotation,
  ...rest
}: NonNullable<z.infer<typeof tls>>): TlsConfig {
  return {
    ...rest,
    certificates: rest.certificates.map(({ cert, key, names }) => ({ cert, key, names })),
    minVersion: `TLSv${minVersion}`,
    redirectPort,
    ticketRotationMs: ticketRotation,
  }
}

/** The settings that are mappings of settings. */
export const sectionNames: readonly string[] = Object.entries(schema.shape)
  .filter(([, part]) => part instanceof z.ZodPrefault || part instanceof z.ZodOptional)
  .filter(([, part]) => (part as z.ZodPrefault | z.ZodOptional).unwrap() instanceof z.ZodObject)
  .map(([name]) => name)

/** JSON Schema (draft 2020-12) of the configuration as written, for editors. */
export function configJsonSchema(policyNames: readonly string[]): Readonly<Record<string, unknown>> {
  const { $schema, properties, ...rest } = z.toJSONSchema(schema, { io: "input" })
  // What the schema says of a policy, it says in three places.
  const named = JSON.parse(JSON.stringify(properties), (_key, value: unknown) =>
    isPolicyUnion(value)
      ? { ...value, anyOf: [{ type: "string", enum: policyNames }, value.anyOf[1]] }
      : value,
  ) as typeof properties
  return { $schema, title: "Linebacker configuration", ...rest, properties: named }
}

function isPolicyUnion(value: unknown): value is { readonly anyOf: readonly unknown[] } {
  const union = value as { readonly anyOf?: readonly { readonly properties?: object }[] } | null
  const properties = union?.anyOf?.[1]?.properties
  return properties !== undefined && Object.keys(properties).join() === "name"
}
