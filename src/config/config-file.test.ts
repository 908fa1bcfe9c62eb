import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import * as fc from "fast-check"
import { fail, ok } from "../core/result.ts"
import type { ConfigFlags } from "./config-flags.ts"
import { loadConfig, readConfig, readTextFile } from "./config-file.ts"
import { formatProblem } from "../text/problem.ts"
import type { Config } from "./config.ts"

const configBytesMax = 1024 * 1024

const policies = {
  auto: {},
  price: {},
  "round-robin": {},
  "needs-storage": {
    unsuitable: (resources: readonly { readonly name: string }[]) =>
      resources.some(({ name }) => name === "storage") ? undefined : "it needs storage",
  },
}
const env = { TOKEN: "a-secret", COUNT: "4", EMPTY: "" }
const files: Readonly<Record<string, string>> = {
  "/etc/linebacker/token": "from-a-file\n",
  "/etc/linebacker/spaces": "two words",
  "/secrets/token": "from-elsewhere\r\n",
}

function readFile(path: string) {
  const text = files[path]
  return text === undefined ? fail("there is no such file") : ok(text)
}

function read(text: string, flags: ConfigFlags = {}) {
  return readConfig({ file: "/etc/linebacker/lb.yaml", text, flags, policies, env, readFile })
}

function problems(text: string, flags: ConfigFlags = {}): string[] {
  const config = read(text, flags)
  return config.ok
    ? []
    : config.error.map((problem) => formatProblem(problem).replace("/etc/linebacker/", ""))
}

function valid(text: string, flags: ConfigFlags = {}): Config {
  const config = read(text, flags)
  assert.ok(config.ok, problems(text, flags).join("\n"))
  return config.value
}

function ids(text: string, to: readonly string[]): readonly string[] {
  return valid(text, { "--to": to }).backends.map(({ id }) => id)
}

function adminToken(line: string): string | undefined {
  return valid(`admin:\n  ${line}`).admin.token
}

/** Each mistake: the text, and every problem it must give, in order. */
const mistakes: readonly (readonly [text: string, ...problems: readonly string[]])[] = [
  // The text
  ["- a", "lb.yaml:1:1: expected a mapping, found a list"],
  ["hello", 'lb.yaml:1:1: expected a mapping, found "hello"'],
  ["42", "lb.yaml:1:1: expected a mapping, found 42"],
  [
    "a: [1,\nb: 2",
    "lb.yaml:2:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["\tname: a", "lb.yaml:1:1: not valid YAML: Tabs are not allowed as indentation"],
  ["name: a\n---\nname: b", "lb.yaml:2:1: expected one YAML document, found another"],
  ["name: a\nchecks:\n  fall: 2\n  fall: 3", "lb.yaml:4:3: checks.fall: the key is there twice"],
  ["name: *unknown", "lb.yaml:1:7: name: there is no anchor &unknown before this alias"],
  ["name: !!shout a", "lb.yaml:1:7: tags are not used here: !!shout"],
  ["? [a]\n: 1", "lb.yaml:1:3: a key must be a plain word"],
  ["__proto__: {a: 1}", "lb.yaml:1:1: a key must be a plain word"],
  ["checks:\n  <<: 5", 'lb.yaml:2:7: checks: "<<" takes a mapping or a list of mappings'],
  // Keys
  [
    "nmae: a\nchecks:\n  intervall: 1s\n  TIMEOUT: 1s",
    'lb.yaml:1:1: nmae: unknown key "nmae"; did you mean "name"?',
    'lb.yaml:3:3: checks.intervall: unknown key "intervall"; did you mean "interval"?',
    'lb.yaml:4:3: checks.TIMEOUT: unknown key "TIMEOUT"; did you mean "timeout"?',
  ],
  [
    "response:\n  colour: red",
    'lb.yaml:2:3: response.colour: unknown key "colour"; allowed here: backendHeader, loadReports, trailers',
  ],
  // Each kind of value
  [
    "checks:\n  kind: http\n  statuses: [204, 2xx, 399-200, 100-200, 600]",
    'lb.yaml:3:19: checks.statuses[1]: expected a status like 204 or a range like 200-399, from 200 to 599, found "2xx"',
    'lb.yaml:3:24: checks.statuses[2]: expected a status like 204 or a range like 200-399, from 200 to 599, found "399-200"',
    'lb.yaml:3:33: checks.statuses[3]: expected a status like 204 or a range like 200-399, from 200 to 599, found "100-200"',
    "lb.yaml:3:42: checks.statuses[4]: expected a status like 204 or a range like 200-399, from 200 to 599, found 600",
  ],
  [
    "checks:\n  interval: fast",
    'lb.yaml:2:13: checks.interval: expected a duration with its unit, like 5s or 250ms, found "fast"',
  ],
  [
    "checks:\n  interval: '500'",
    'lb.yaml:2:13: checks.interval: expected a duration with its unit, like 5s or 250ms, found "500"',
  ],
  [
    "checks:\n  interval: -5",
    "lb.yaml:2:13: checks.interval: expected a duration with its unit, like 5s or 250ms, found -5",
  ],
  [
    "timeouts: {connect: 48h}",
    'lb.yaml:1:21: timeouts.connect: expected a duration with its unit, like 5s or 250ms, from 1ms to 24h, found "48h"',
  ],
  [
    "timeouts: {connect: 0s}",
    'lb.yaml:1:21: timeouts.connect: expected a duration with its unit, like 5s or 250ms, from 1ms to 24h, found "0s"',
  ],
  [
    "timeouts: {connect: }",
    "lb.yaml:1:21: timeouts.connect: expected a duration with its unit, like 5s or 250ms, found nothing",
  ],
  [
    "checks: {fall: 0, rise: 1.5}",
    "lb.yaml:1:16: checks.fall: expected an integer from 1 to 100, found 0",
    "lb.yaml:1:25: checks.rise: expected an integer from 1 to 100, found 1.5",
  ],
  ["checks: {kind: ping}", 'lb.yaml:1:16: checks.kind: expected one of tcp, http, found "ping"'],
  [
    "checks: {path: healthz}",
    'lb.yaml:1:16: checks.path: expected a path that starts with "/", found "healthz"',
  ],
  ["checks: {path: '/a b'}", 'lb.yaml:1:16: checks.path: expected a path that starts with "/", found "/a b"'],
  ["checks: 5s", 'lb.yaml:1:9: checks: expected a mapping, found "5s"'],
  ["checks: [5s]", "lb.yaml:1:9: checks: expected a mapping, found a list"],
  ["workers: 65", "lb.yaml:1:10: workers: expected auto or an integer from 1 to 64, found 65"],
  ["workers: many", 'lb.yaml:1:10: workers: expected auto or an integer from 1 to 64, found "many"'],
  [
    "workers: ${COUNT}",
    'lb.yaml:1:10: workers: expected auto or an integer from 1 to 64, found "${COUNT}", which is text',
  ],
  [
    "response: {backendHeader: yes}",
    'lb.yaml:1:27: response.backendHeader: expected true or false, found "yes"',
  ],
  ["seed: .nan", "lb.yaml:1:7: seed: expected an integer from 0 to 9007199254740991, found NaN"],
  ["name: 'a b'", 'lb.yaml:1:7: name: expected a name of up to 64 of A-Z, a-z, 0-9, ., _ and -, found "a b"'],
  [
    "listen: '*:80'",
    'lb.yaml:1:9: listen: expected host:port or :port, IPv6 in brackets, with a port from 0 to 65535, found "*:80"',
  ],
  [
    "listen: 70000",
    "lb.yaml:1:9: listen: expected host:port or :port, IPv6 in brackets, with a port from 0 to 65535, found 70000",
  ],
  ["admin: {allow: []}", "lb.yaml:1:16: admin.allow: expected a list of 1 to 256 CIDRs, found an empty list"],
  [
    "admin: {allow: 10.0.0.0/8}",
    'lb.yaml:1:16: admin.allow: expected a list of 1 to 256 CIDRs, found "10.0.0.0/8"',
  ],
  [
    "registration:\n  allow:\n    - 10.0.0.0/33\n    - 5",
    'lb.yaml:3:7: registration.allow[0]: expected a CIDR like 10.0.0.0/8, found "10.0.0.0/33"',
    "lb.yaml:4:7: registration.allow[1]: expected a CIDR like 10.0.0.0/8, found 5",
  ],
  ["admin: {hosts: [a/b]}", 'lb.yaml:1:17: admin.hosts[0]: expected a host name, found "a/b"'],
  // Policies and resources
  [
    "policy: pirce",
    'lb.yaml:1:9: policy: did you mean "price"? Expected one of auto, price, round-robin, needs-storage, found "pirce"',
  ],
  [
    "policy: constructor",
    'lb.yaml:1:9: policy: expected one of auto, price, round-robin, needs-storage, found "constructor"',
  ],
  [
    "policy: 5",
    "lb.yaml:1:9: policy: expected the name of a policy, or a mapping with its name and its parameters, found 5",
  ],
  ["policy: {samples: 2}", 'lb.yaml:1:1: policy.name: "name" is missing: expected the name of a policy'],
  ["policy: {}", 'lb.yaml:1:1: policy.name: "name" is missing: expected the name of a policy'],
  [
    "policy: {name: pirce}",
    'lb.yaml:1:16: policy.name: did you mean "price"? Expected one of auto, price, round-robin, needs-storage, found "pirce"',
  ],
  [
    "policy: {name: price, smaples: 2}",
    'lb.yaml:1:23: policy.smaples: price has no parameter "smaples"; it has none',
  ],
  [
    "policy:\n  name: auto\n  samples: many",
    'lb.yaml:3:12: policy.samples: samples must be an integer from 1 to 16, found "many"',
  ],
  [
    "policy: needs-storage\nresources: [{name: slots, kind: space}]",
    'lb.yaml:1:9: policy: "needs-storage" cannot work with these resources: it needs storage',
  ],
  ["resources: []", "lb.yaml:1:12: resources: expected a list of 1 to 8 resources, found an empty list"],
  [
    "resources:\n  - name: Compute\n    kind: rat\n  - kind: rate\n    resolution: 0",
    'lb.yaml:2:11: resources[0].name: expected a name of up to 32 of a-z, 0-9, _ and -, a letter first, found "Compute"',
    'lb.yaml:3:11: resources[0].kind: expected one of rate, space, found "rat"',
    'lb.yaml:4:5: resources[1].name: "name" is missing: expected a name of up to 32 of a-z, 0-9, _ and -, a letter first',
    "lb.yaml:5:17: resources[1].resolution: expected a number above 0, found 0",
  ],
  [
    "resources:\n  - {name: a, kind: rate}\n  - {name: a, kind: space}",
    'lb.yaml:3:12: resources[1].name: the resource "a" is there twice',
  ],
  [
    "demand:\n  default: {compute: -1, storage: x, stroage: 2}",
    "lb.yaml:2:22: demand.default.compute: compute must be a finite number from 0 to 1048576; found -1",
    'lb.yaml:2:35: demand.default.storage: expected a number of at least 0, found "x"',
    'lb.yaml:2:38: demand.default.stroage: unknown resource "stroage"; the resources here are compute, storage; did you mean "storage"?',
  ],
  // Where requests go
  ["pools:\n  - {name: a, match: {zone: 5}}", "lb.yaml:2:29: pools[0].match.zone: expected text, found 5"],
  [
    "pools:\n  - {name: a, match: {}}\n  - {name: a, match: {zone: b}, policy: round-robbin}",
    "lb.yaml:2:22: pools[0].match: expected at least one of labels, zone, ids, found none",
    "lb.yaml:3:12: pools[1].name: another pool has this name",
    'lb.yaml:3:41: pools[1].policy: did you mean "round-robin"? Expected one of auto, price, round-robin, needs-storage, found "round-robbin"',
  ],
  [
    "pools: [{name: static, match: {zone: a}}]\nroutes:\n  - {path: /a, pool: statc}\n  - {path: /a, demand: {compute: -1, disk: 1}}",
    'lb.yaml:3:22: routes[0].pool: there is no such pool; did you mean "static"?, found "statc"',
    "lb.yaml:4:5: routes[1].name: another route has this name, or matches the same",
    "lb.yaml:4:34: routes[1].demand.compute: compute must be a finite number from 0 to 1048576; found -1",
    'lb.yaml:4:38: routes[1].demand.disk: unknown resource "disk"; the resources here are compute, storage',
  ],
  [
    "routes: [{path: users}, {path: /a*b}, {method: get, path: /}]",
    'lb.yaml:1:17: routes[0].path: expected a path like /users/* or /files/**; it must begin with a slash, found "users"',
    'lb.yaml:1:32: routes[1].path: expected a path like /users/* or /files/**; it may have "*" and "**" only as whole segments, found "/a*b"',
    'lb.yaml:1:48: routes[2].method: expected a method like GET, found "get"',
  ],
  [
    "demand: {mode: simulation}\nresources: [{name: content-length, kind: rate}]",
    'lb.yaml:2:20: resources[0].name: "content-length" is a field of HTTP, and in demand.mode simulation backends are told of it in a field of this name',
  ],
  [
    "routes: [{path: /a/**}, {path: /a/b, host: x.example}, {path: /a, method: GET}]",
    'lb.yaml:1:32: routes[1].path: no request comes this far: routes[0] matches all of them, and the first that fits counts, found "/a/b"',
    'lb.yaml:1:63: routes[2].path: no request comes this far: routes[0] matches all of them, and the first that fits counts, found "/a"',
  ],
  [
    "routes: [{path: /, affinity: {kind: header}}]",
    'lb.yaml:1:37: routes[0].affinity.kind: "name" is missing: expected the name of the field',
  ],
  [
    "affinity: {kind: query}",
    'lb.yaml:1:18: affinity.kind: "name" is missing: expected the name of the parameter',
  ],
  [
    "affinity: {kind: cookie, sameSite: some, secure: never}",
    'lb.yaml:1:36: affinity.sameSite: expected lax, strict or none, found "some"',
    'lb.yaml:1:50: affinity.secure: expected one of auto, always, found "never"',
  ],
  [
    "affinity: {kind: cookie, path: /a;b, domain: a..b}",
    'lb.yaml:1:32: affinity.path: expected a path that starts with "/", without blanks and semicolons, found "/a;b"',
    'lb.yaml:1:46: affinity.domain: expected a DNS name, found "a..b"',
  ],
  [
    "affinity: {kind: cookie, name: __Host-lb, path: /a}",
    'lb.yaml:1:49: affinity.path: browsers take no cookie of the name "__Host-lb" with another path than the host\'s own',
  ],
  [
    "routes: [{path: /, affinity: {kind: cookie, name: __Host-lb, domain: a.example}}]",
    'lb.yaml:1:70: routes[0].affinity.domain: browsers take no cookie of the name "__Host-lb" with another domain than the host\'s own',
  ],
  [
    "affinity: {kind: ip}",
    'lb.yaml:1:18: affinity.kind: expected one of none, cookie, header, address, path, query, found "ip"',
  ],
  [
    "cookieKey: short",
    "lb.yaml:1:12: cookieKey: expected 16 to 256 visible ASCII characters without a space",
  ],
  [
    "choosing: {slowStart: {window: soon}, zone: {membersMin: 3}, subset: {size: 0}}",
    'lb.yaml:1:32: choosing.slowStart.window: expected a duration with its unit, like 5s or 250ms, found "soon"',
    'lb.yaml:1:39: choosing.zone.local: "local" is missing: expected the name of a zone',
    "lb.yaml:1:77: choosing.subset.size: expected an integer from 1 to 65536, found 0",
  ],
  [
    "choosing: {zone: {local: a, origins: {a: 2, b: -1}}}",
    "lb.yaml:1:48: choosing.zone.origins.b: expected a number of at least 0, found -1",
  ],
  [
    "choosing: {aperture: {size: 3, balancer: 0}}",
    'lb.yaml:1:12: choosing.aperture.balancers: "balancers" is missing: expected an integer from 1 to 65536',
  ],
  [
    "registration: {ttl: 900ms}",
    'lb.yaml:1:21: registration.ttl: expected a duration with its unit, like 5s or 250ms, from 1s to 24h, found "900ms"',
  ],
  ["demand: {trusted: [me]}", 'lb.yaml:1:20: demand.trusted[0]: expected a CIDR like 10.0.0.0/8, found "me"'],
  [
    "upstream: {askLoadReports: BIN, loadReports: {path: load}}",
    'lb.yaml:1:28: upstream.askLoadReports: expected one of none, TEXT, JSON, found "BIN"',
    'lb.yaml:1:53: upstream.loadReports.path: expected a path that starts with "/", found "load"',
  ],
  // Settings that do not go together
  [
    "choosing: {subset: {}, aperture: {balancers: 2, balancer: 1}}",
    "lb.yaml:1:24: choosing.aperture: choosing.subset is there too; keep one of them",
  ],
  [
    "choosing: {aperture: {balancers: 2, balancer: 2}}",
    "lb.yaml:1:47: choosing.aperture.balancer: expected an integer from 0 to 1, as there are 2 balancers, found 2",
  ],
  [
    "registration: {renew: 5s}",
    "lb.yaml:1:23: registration.renew: must be shorter than registration.suspect, which is 5s by default, found 5s",
  ],
  [
    "registration: {ttl: 4s}",
    "lb.yaml:1:21: registration.ttl: must be longer than registration.suspect, which is 5s by default, found 4s",
  ],
  [
    "registration: {suspect: 9s, ttl: 8s}",
    "lb.yaml:1:25: registration.suspect: must be shorter than registration.ttl, which is 8s, found 9s",
  ],
  [
    "registration: {listen: '0.0.0.0:9797'}",
    "lb.yaml:1:24: registration.listen: others than this machine could announce backends there: set registration.token, " +
      'registration.tokenFile or registration.allow, or listen on 127.0.0.1, found "0.0.0.0:9797"',
  ],
  [
    "registration: {token: a, tokenFile: token}",
    "lb.yaml:1:26: registration.tokenFile: registration.token is there too; keep one of them",
  ],
  [
    "listen: 9797",
    'lb.yaml:1:9: listen: the same port as registration.listen, which is "127.0.0.1:9797", found ":9797"',
  ],
  [
    "admin: {listen: 'localhost:5252'}",
    'lb.yaml:1:17: admin.listen: the same port as listen, which is ":5252", found "localhost:5252"',
  ],
  [
    "listen: localhost:1\nadmin: {listen: 'LOCALHOST.:1'}",
    'lb.yaml:2:17: admin.listen: the same port as listen, which is "localhost:1", found "LOCALHOST.:1"',
  ],
  // Known backends
  [
    "backends: {nameTtl: 1}",
    "lb.yaml:1:21: backends.nameTtl: expected a duration with its unit, like 5s or 250ms, found 1",
  ],
  [
    "backends: {nameTtl: 1s}\nupstream: {nameTtl: 1s}",
    "lb.yaml:1:11: backends: expected a list of backends (how the balancer connects to them is set under upstream), found a mapping",
  ],
  [
    "backends: [a b]",
    'lb.yaml:1:12: backends[0]: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock, found "a b"',
  ],
  [
    "backends: [5]",
    "lb.yaml:1:12: backends[0]: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock, or a mapping with address, found 5",
  ],
  [
    "backends: [{id: a}]",
    'lb.yaml:1:12: backends[0].address: "address" is missing: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock',
  ],
  [
    "backends: [{address: ':1', url: ':2'}]",
    'lb.yaml:1:28: backends[0].url: unknown key "url"; did you mean "address"?',
  ],
  [
    "backends: [{address: ':0'}]",
    'lb.yaml:1:22: backends[0].address: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock, found ":0"',
  ],
  [
    "backends: [{address: ':1', wieght: 2}]",
    'lb.yaml:1:28: backends[0].wieght: unknown key "wieght"; did you mean "weight"?',
  ],
  [
    "backends: [':1', {address: ':2', weight: 0}]",
    "lb.yaml:1:42: backends[1].weight: expected a number from 0.001 to 1000, found 0",
  ],
  ["backends: [':1', ':1']", 'lb.yaml:1:18: backends[1]: another backend has the id ":1"'],
  [
    "backends: [{address: ':1', check: http}]",
    'lb.yaml:1:35: backends[0].check: expected tcp, or a mapping for a check by HTTP, found "http"',
  ],
  [
    "backends: [{address: ':1', check: {path: up, every: 1s}}]",
    'lb.yaml:1:42: backends[0].check.path: expected a path that starts with "/", found "up"',
    'lb.yaml:1:46: backends[0].check.every: unknown key "every"; allowed here: path, statuses',
  ],
  ["pools: [{name: a}]", "lb.yaml:1:9: pools[0]: a pool needs match, or a list of backends"],
  [
    "pools: [{name: a, match: {zone: b}, backends: [':1']}]",
    "lb.yaml:1:37: pools[0].backends: match is there too: keep one of them (those listed here get the label pool: a)",
  ],
  [
    "pools: [{name: a, backends: [x]}]",
    'lb.yaml:1:30: pools[0].backends[0]: expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock, found "x"',
  ],
  [
    "pools: [{name: a, backends: [{address: ':1', labels: {pool: b}}]}]",
    'lb.yaml:1:61: pools[0].backends[0].labels.pool: expected "a", which it gets by itself, found "b"',
  ],
  [
    "backends: [':1']\npools: [{name: a, backends: [':1']}, {name: b, backends: [':1', {address: ':2', capacity: {cpu: 1}}]}]",
    'lb.yaml:1:12: backends[0]: another backend has the id ":1"',
    'lb.yaml:2:59: pools[1].backends[0]: another backend has the id ":1"',
    'lb.yaml:2:97: pools[1].backends[1].capacity.cpu: unknown resource "cpu"; the resources here are compute, storage',
  ],
  [
    "backends: [':1', {id: b, address: '127.0.0.1:1'}]",
    "lb.yaml:1:18: backends[1]: another backend has the address 127.0.0.1:1",
  ],
  [
    "backends: [{address: ':1', capacity: {cpu: 1}}]",
    'lb.yaml:1:44: backends[0].capacity.cpu: unknown resource "cpu"; the resources here are compute, storage',
  ],
  [
    "resources: [{name: memory, kind: space}]\nbackends: [':1']",
    'lb.yaml:2:12: backends[0].capacity.memory: the amount of "memory" is missing',
  ],
  [
    "registration: {backendsMax: 1}\nbackends: [':1', ':2']",
    "lb.yaml:2:11: backends: with those of pools these are 2, more than registration.backendsMax, 1",
  ],

  // Where backends are found
  ["discovery: {files: a.yaml}", 'lb.yaml:1:20: discovery.files: expected a list of files, found "a.yaml"'],
  [
    "discovery: {files: [backends.d/*.yaml, '*/a.yaml', b/, 5]}",
    'lb.yaml:1:40: discovery.files[1]: expected the path of a file, with * and ? in its last part only, found "*/a.yaml"',
    'lb.yaml:1:52: discovery.files[2]: expected the path of a file, with * and ? in its last part only, found "b/"',
    "lb.yaml:1:56: discovery.files[3]: expected the path of a file, with * and ? in its last part only, found 5",
  ],
  [
    "discovery: {dns: [{name: a b, port: 1}, {name: a.b, type: MX, port: 0, interval: 10ms, server: dns.example}]}",
    'lb.yaml:1:26: discovery.dns[0].name: expected a DNS name, found "a b"',
    'lb.yaml:1:59: discovery.dns[1].type: expected one of A, AAAA, SRV, found "MX"',
    "lb.yaml:1:69: discovery.dns[1].port: expected an integer from 1 to 65535, found 0",
    'lb.yaml:1:82: discovery.dns[1].interval: expected a duration with its unit, like 5s or 250ms, from 1s to 1h, found "10ms"',
    'lb.yaml:1:96: discovery.dns[1].server: expected the IP address of a name server, like 10.0.0.2 or 10.0.0.2:8600, found "dns.example"',
  ],
  [
    "discovery:\n  dns:\n    - {name: a.b, capacity: {cpu: 1}}\n    - {name: a.b, type: SRV, port: 80, weight: 2}",
    'lb.yaml:3:7: discovery.dns[0]: "port" is missing: expected where the addresses take requests, which records of type A do not say',
    'lb.yaml:3:35: discovery.dns[0].capacity.cpu: unknown resource "cpu"; the resources here are compute, storage',
    "lb.yaml:4:30: discovery.dns[1].port: has no place here: each SRV record says it itself",
    "lb.yaml:4:40: discovery.dns[1].weight: has no place here: each SRV record says it itself",
  ],
  // How backends are spoken to
  [
    "upstream: {tls: {ca: nope}}",
    'lb.yaml:1:22: upstream.tls.ca: the file "nope" cannot be read: there is no such file',
  ],
  [
    "upstream: {tls: {ca: spaces}}",
    'lb.yaml:1:22: upstream.tls.ca: expected a certificate in PEM form in the file "spaces"',
  ],
  [
    "upstream: {tls: {cert: token, key: nope}}",
    'lb.yaml:1:24: upstream.tls.cert: expected a certificate in PEM form in the file "token"',
    'lb.yaml:1:36: upstream.tls.key: the file "nope" cannot be read: there is no such file',
  ],
  ["upstream: {tls: {key: nope}}", "lb.yaml:1:18: upstream.tls.key: upstream.tls.cert must be there too"],
  [
    "upstream: {tls: {serverName: 10.0.0.7}}",
    'lb.yaml:1:30: upstream.tls.serverName: expected a DNS name, found "10.0.0.7"',
  ],
  [
    "upstream: {proxyProtocol: v3}",
    'lb.yaml:1:27: upstream.proxyProtocol: expected one of none, v1, v2, found "v3"',
  ],
  [
    "registration: {unixFolders: [run]}",
    'lb.yaml:1:30: registration.unixFolders[0]: expected the absolute path of a folder, without "." and "..", found "run"',
  ],
  // Secrets
  [
    "admin: {token: a b}",
    "lb.yaml:1:16: admin.token: expected 1 to 256 visible ASCII characters without a space",
  ],
  [
    "admin:\n  token: ${EMPTY}",
    "lb.yaml:2:10: admin.token: expected 1 to 256 visible ASCII characters without a space",
  ],
  ["admin:\n  token: ${NOPE}", "lb.yaml:2:10: admin.token: the environment variable NOPE is not set"],
  [
    "admin:\n  token: ${file:nope}",
    'lb.yaml:2:10: admin.token: the file "nope" cannot be read: there is no such file',
  ],
  [
    "admin: {tokenFile: nope}",
    'lb.yaml:1:20: admin.tokenFile: the file "nope" cannot be read: there is no such file',
  ],
  [
    "admin: {tokenFile: spaces}",
    'lb.yaml:1:20: admin.tokenFile: expected 1 to 256 visible ASCII characters without a space in the file "spaces"',
  ],
  [
    "name: a${",
    'lb.yaml:1:7: name: expected ${NAME} or ${file:PATH} after "$"; "$${" stands for "${" itself',
  ],
  [
    "checks:\n  interval: ${TOKEN}",
    'lb.yaml:2:13: checks.interval: expected a duration with its unit, like 5s or 250ms, found "${TOKEN}", which is text',
  ],
]

for (const [text, ...expected] of mistakes) {
  test(`reports ${JSON.stringify(text)}`, () => assert.deepEqual(problems(text), expected))
}

test("one mistake hides no other, of whichever kind", () => {
  const text = `
policy: fastest
registration:
  listen: 0.0.0.0:9797
  legacyPort: no
  renew: 6s
checks:
  intervall: 1s
`
  assert.deepEqual(
    problems(text).map((problem) => problem.split(": ").slice(0, 2).join(" ")),
    [
      "lb.yaml:2:9 policy",
      "lb.yaml:4:11 registration.listen",
      "lb.yaml:5:15 registration.legacyPort",
      "lb.yaml:6:10 registration.renew",
      "lb.yaml:8:3 checks.intervall",
    ],
  )
})

test("a mistake brings no second one with it", () => {
  // Each would be too short a lease, an unknown resource or an open listener, if its other half counted as absent.
  assert.equal(problems("registration: {renew: soon, suspect: 1s}").length, 1)
  assert.equal(problems("resources: [{name: GPU, kind: rate}]\ndemand: {default: {gpu: 1}}").length, 1)
  assert.equal(problems("registration: {listen: '0.0.0.0:1', token: 5}").length, 1)
  assert.equal(problems("registration:\n  listen: 0.0.0.0:1\n  token: ${NOPE}").length, 1)
})

test("an empty file, comments and empty sections are the defaults", () => {
  const defaults = valid("")
  for (const text of ["# nothing\n", "---\n", "{}", "checks:\nlimits: # none\n", "\uFEFF"]) {
    assert.deepEqual(valid(text), defaults, JSON.stringify(text))
  }
  assert.deepEqual(defaults.listen, { host: "", port: 5252 })
  assert.deepEqual(defaults.registration.listen, { host: "127.0.0.1", port: 9797 })
  assert.deepEqual(defaults.admin.listen, { host: "127.0.0.1", port: 9494 })
})

test("a problem is one line, and cannot steer a terminal", () => {
  assert.deepEqual(problems('"a\\nb\\e[2J": 1'), [
    String.raw`lb.yaml:1:1: a\u000ab\u001b[2J: unknown key "a\u000ab\u001b[2J"; allowed here: name, listen, ` +
      "tls, proxyProtocol, backends, discovery, trustedProxies, via, forwarded, workers, policy, choosing, pools, routes, affinity, cookieKey, learning, seed, resources, demand, registration, admin, checks, upstream, limits, timeouts, requests, response",
  ])
})

test("JSON is read as well", () => {
  assert.equal(valid('{"checks": {"kind": "http"}, "workers": 2}').checks.kind, "http")
})

test("anchors and merges are followed; a mapping's own keys win, then the earlier source", () => {
  const text = `
checks: &fast {interval: 1s, timeout: 500ms, fall: 9}
`
  assert.equal(valid(text).checks.intervalMs, 1_000)
  const merged = `
admin: &a
  token: from-admin
  allow: &nets [10.0.0.0/8]
registration:
  <<: [*a, {token: never, ttl: 60s}]
  listen: :9797
`
  const { registration } = valid(merged.replace("  token: from-admin\n", "  listen: :1\n"))
  assert.deepEqual(registration.listen, { host: "127.0.0.1", port: 9797 })
  assert.equal(registration.token, "never")
  assert.equal(registration.ttlMs, 60_000)
  assert.equal(valid(merged).registration.token, "from-admin")
  assert.deepEqual(valid("admin: {allow: &n [10.0.0.0/8]}\nregistration: {allow: *n}").registration.allow, [
    "10.0.0.0/8",
  ])
})

test("secrets come from variables and files, relative to the configuration's folder", () => {
  assert.equal(adminToken("token: ${TOKEN}"), "a-secret")
  assert.equal(adminToken("token: x-${TOKEN}-${COUNT}"), "x-a-secret-4")
  assert.equal(adminToken("token: ${file:token}"), "from-a-file")
  assert.equal(adminToken("token: ${file:/secrets/token}"), "from-elsewhere")
  assert.equal(adminToken("tokenFile: token"), "from-a-file")
  assert.equal(adminToken("tokenFile: /secrets/token"), "from-elsewhere")
  assert.equal(adminToken("token: $${TOKEN}"), "${TOKEN}")
  assert.equal(adminToken("token: $TOKEN"), "$TOKEN")
})

test("no message holds a secret", () => {
  const texts = [
    "name: ${TOKEN} ${TOKEN}",
    "listen: ${TOKEN}",
    "policy: ${TOKEN}",
    "policy: {name: price, samples: ${TOKEN}}",
    "policy: {name: '${TOKEN}'}",
    "pools: [{name: a, match: {zone: b}}, {name: '${TOKEN} a', match: {zone: b}}]",
    "routes: [{path: /, pool: '${TOKEN}'}]",
    "routes: [{path: '${TOKEN}'}]",
    "cookieKey: ${TOKEN}",
    "workers: ${TOKEN}",
    "admin:\n  token: ${TOKEN} x",
    "admin: {token: 'a-secret a'}",
    "admin:\n  allow:\n    - ${TOKEN}",
  ]
  for (const text of texts) {
    assert.notDeepEqual(problems(text), [], text)
    assert.doesNotMatch(problems(text).join("\n"), /a-secret/)
  }
})

test("flags replace what the file says, and are named where they are wrong", () => {
  const flags = {
    "--listen": "8080",
    "--admin": ":8081",
    "--workers": "2",
    "--seed": "7",
    "--policy": "round-robin",
  }
  const config = valid("workers: 99\nlisten: bad\nadmin: {hosts: [lb.internal]}", flags)
  assert.deepEqual(config.listen, { host: "", port: 8080 })
  assert.deepEqual(config.admin.listen, { host: "127.0.0.1", port: 8081 })
  assert.deepEqual(config.admin.hosts, ["lb.internal"])
  assert.equal(config.workers, 2)
  assert.equal(config.seed, 7)
  assert.deepEqual(config.policy, { name: "round-robin", parameters: {} })
  assert.equal(valid("workers: 3", { "--workers": "auto" }).workers, "auto")

  assert.deepEqual(problems("checks: {fall: 0}", { "--workers": "0", "--listen": "x", "--admin": ":9797" }), [
    "lb.yaml:1:16: checks.fall: expected an integer from 1 to 100, found 0",
    '--listen: expected host:port or :port, IPv6 in brackets, with a port from 0 to 65535, found "x"',
    "--workers: expected auto or an integer from 1 to 64, found 0",
    '--admin: the same port as registration.listen, which is "127.0.0.1:9797", found "127.0.0.1:9797"',
  ])
  assert.deepEqual(problems("admin: 5", { "--admin": ":1" }), [
    "lb.yaml:1:8: admin: expected a mapping, found 5",
  ])
})

test("addresses of --to are backends beside those of the file, and are named where they are wrong", () => {
  assert.deepEqual(ids("", ["127.0.0.1:3000", "https://app.internal:8443"]), [
    "127.0.0.1:3000",
    "app.internal:8443",
  ])
  assert.deepEqual(ids("backends: [{id: a, address: ':1'}]", [":2", "3"]), ["a", ":2", "3"])
  assert.deepEqual(ids("backends:", [":2"]), [":2"])
  assert.deepEqual(ids("backends: [':2']", []), [":2"])

  const expected =
    "expected an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock"
  assert.deepEqual(problems("backends: [':1', x]", { "--to": ["http://a:1/path", ":2"] }), [
    `lb.yaml:1:18: backends[1]: ${expected}, found "x"`,
    `--to: ${expected}, found "http://a:1/path"`,
  ])
  assert.deepEqual(problems("backends: [':1']", { "--to": [":2", ":1", "127.0.0.1:2"] }), [
    '--to: another backend has the id ":1"',
    "--to: another backend has the address 127.0.0.1:2",
  ])
  assert.deepEqual(problems("resources: [{name: memory, kind: space}]", { "--to": [":1"] }), [
    '--to: the amount of "memory" is missing',
  ])
  assert.deepEqual(problems("backends: 5", { "--to": [":1"] }), [
    "lb.yaml:1:11: backends: expected a list of backends (how the balancer connects to them is set under upstream), found 5",
  ])
})

test("depth and aliases have limits", () => {
  const laughs = ["a0: &a0 [x]"]
  for (let i = 1; i < 30; i++) laughs.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`)
  assert.match(problems(laughs.join("\n")).join("\n"), /more than 10000 values/)
  assert.match(problems("name: &a [*a]").join("\n"), /more than 32 levels deep/)
  assert.match(problems("[".repeat(20_000)).join("\n"), /nested too deeply/)
})

test("any text is read or refused, and nothing throws", () => {
  const marks = "<<|: |\n|\n  |\n    |- |[|]|{|}|,|&a |*a|!!map |? |---\n|%YAML 1.1\n|\"|'|#|\t|${|$${"
  const keys = "name|checks|registration|resources|limits|demand|default|allow|token|interval|kind|__proto__"
  const values = "5s|-1|1e999|.nan|null|true|${TOKEN}|a"
  const words = fc.constantFrom(...`${marks}|${keys}|${values}`.split("|"))
  const yamlLike = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(""))
  fc.assert(
    fc.property(fc.oneof(yamlLike, fc.string(), fc.string({ unit: "binary" })), (text) => {
      const config = read(text)
      if (config.ok) return
      assert.ok(config.error.length > 0, "refused without a reason")
      for (const problem of config.error) {
        assert.ok(problem.line! >= 1 && problem.column! >= 1)
        assert.doesNotMatch(formatProblem(problem), /\n|undefined|Invalid input|Too (big|small)/)
      }
    }),
    { numRuns: 3_000 },
  )
})

test("any tree of plain values under the known keys is read or refused with a place", () => {
  const keys = Object.keys(valid(""))
  const tree = fc.dictionary(fc.constantFrom(...keys), fc.anything({ maxDepth: 3 }), {
    noNullPrototype: true,
  })
  fc.assert(
    fc.property(fc.jsonValue(), tree, (value, tree) => {
      for (const text of [
        JSON.stringify(value),
        JSON.stringify(tree, (_, part: unknown) => (typeof part === "bigint" ? 0 : part)),
      ]) {
        const config = read(text)
        if (!config.ok) assert.ok(config.error.length > 0, text)
      }
    }),
    { numRuns: 500 },
  )
})

test("files are read whole, or refused with a reason", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, "lb.yaml")
  writeFileSync(file, "checks: {fall: 7}")
  const config = loadConfig(file, { policies, env })
  assert.equal(config.ok && config.value.checks.fall, 7)
  assert.ok(loadConfig(undefined, { policies, env, flags: { "--listen": ":0" } }).ok)

  const missing = loadConfig("nowhere/lb.yaml", { policies, env })
  assert.ok(!missing.ok)
  assert.deepEqual(missing.error.map(formatProblem), [
    "nowhere/lb.yaml: cannot be read: there is no such file",
  ])
  assert.deepEqual(readTextFile(folder), fail("it is not a file"))
  writeFileSync(file, Buffer.alloc(configBytesMax + 1))
  assert.deepEqual(readTextFile(file), fail("it is larger than 1048576 bytes"))
})
