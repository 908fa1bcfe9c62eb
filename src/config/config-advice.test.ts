import assert from "node:assert/strict"
import { test } from "node:test"
import { policies } from "../policies/index.ts"
import { type ConfigProblem, formatProblem } from "../text/problem.ts"
import { readConfig } from "./config-file.ts"

/** What is said of a valid file, a line each. */
function adviceOn(text: string): string[] {
  const lines: string[] = []
  const config = readConfig({
    file: "lb.yaml",
    text,
    policies,
    env: {},
    onAdvice: (advice) => lines.push(formatProblem(advice)),
  })
  assert.ok(config.ok, `valid: ${text}`)
  return lines
}

test("a section under its former name works, and is told the name of today", () => {
  const text = "backends: {nameTtl: 7s, nameKeep: 6s}"
  const lines: string[] = []
  const onAdvice = (advice: ConfigProblem) => void lines.push(formatProblem(advice))
  const config = readConfig({ file: "lb.yaml", text, policies, env: {}, flags: { "--to": [":1"] }, onAdvice })
  assert.ok(config.ok)
  assert.equal(config.value.upstream.nameTtlMs, 7_000)
  assert.deepEqual(
    config.value.backends.map(({ id }) => id),
    [":1"],
  )
  assert.deepEqual(lines, [
    "lb.yaml:1:1: backends: is called upstream now",
    "lb.yaml:1:25: backends.nameKeep: has no effect, because upstream.nameTtl is 7s",
  ])
})

const idle: readonly (readonly [text: string, where: string, because: string])[] = [
  ["checks: {path: /x}", "1:10: checks.path", "checks.kind is tcp"],
  ["checks: {statuses: [204]}", "1:10: checks.statuses", "checks.kind is tcp"],
  ["registration: {hosts: [a.example], token: secret}", "1:16: registration.hosts", "a token is asked for"],
  ["registration: {hosts: [a.example]}", "", ""],
  ["affinity: {kind: header, name: x}", "1:12: affinity.kind", "no policy here sends requests of one key"],
  ["affinity: {kind: query, name: x}", "1:12: affinity.kind", "no policy here sends requests of one key"],
  [
    "routes: [{path: /**, affinity: {kind: path}}]",
    "1:33: routes[0].affinity.kind",
    "no policy here sends requests of one key",
  ],
  ["affinity: {kind: cookie, name: x}\ncookieKey: 0123456789abcdef", "", ""],
  ["policy: maglev\naffinity: {kind: header, name: x}", "", ""],
  ["affinity: {kind: header, name: x}\nroutes: [{path: /**, policy: ring-hash}]", "", ""],
  ["policy: hash\naffinity: {kind: address, name: x}", "2:27: affinity.name", "the kind address has no name"],
  [
    "policy: hash\naffinity: {kind: address, caching: keep}",
    "2:27: affinity.caching",
    "only the cookie needs it",
  ],
  [
    "policy: hash\naffinity: {kind: address, sameSite: none}",
    "2:27: affinity.sameSite",
    "only the cookie needs it",
  ],
  ["timeouts: {backendAge: 30s, backendIdle: 1m}", "1:29: timeouts.backendIdle", "timeouts.backendAge ends"],
  ["upstream: {nameTtl: 10s, nameKeep: 5s}", "1:26: upstream.nameKeep", "upstream.nameTtl is 10s"],
  ["upstream: {nameTtl: 10s, nameKeep: 0s}", "", ""],
  ["cookieKey: 0123456789abcdef", "1:1: cookieKey", "nothing sticks by a cookie"],
  ["demand: {mode: simulation, trusted: [10.0.0.0/8]}", "1:28: demand.trusted", "demand.mode is simulation"],
  [
    "demand: {mode: simulation}\nroutes: [{path: /**, trusted: true}]",
    "2:22: routes[0].trusted",
    "demand.mode is simulation",
  ],
  ["admin: {allow: [10.0.0.0/8]}", "1:9: admin.allow", "nothing can connect"],
  ["registration: {allow: [10.0.0.0/8]}", "1:16: registration.allow", "nothing can connect"],
  ["registration: {allow: [127.0.0.1/32]}", "", ""],
  ["registration: {allow: [0.0.0.0/0]}", "", ""],
  ["registration: {listen: '0.0.0.0:9797', allow: [10.0.0.0/8]}", "", ""],
  ["limits: {targetBytesMax: 65536}", "1:10: limits.targetBytesMax", "limits.headBytesMax is 32768"],
  ["limits: {fieldLineBytesMax: 65536}", "1:10: limits.fieldLineBytesMax", "limits.headBytesMax is 32768"],
  [
    "limits: {idlePerBackendMax: 10, connectionsPerBackendMax: 5}",
    "1:10: limits.idlePerBackendMax",
    "limits.connectionsPerBackendMax is 5",
  ],
  [
    "limits: {collectedBytesMax: 9, collectedBytesTotalMax: 5}",
    "1:10: limits.collectedBytesMax",
    "limits.collectedBytesTotalMax is 5",
  ],
  ["limits: {replayBytesMax: 9, attemptsMax: 1}", "1:10: limits.replayBytesMax", "limits.attemptsMax is 1"],
  [
    "limits: {bodyBytesPerSecondMin: 9, bodyBytesMax: 0}",
    "1:10: limits.bodyBytesPerSecondMin",
    "limits.bodyBytesMax is 0",
  ],
  [
    "limits: {pipelinedMax: 4}\nupstream: {proxyProtocol: v2}",
    "1:10: limits.pipelinedMax",
    "upstream.proxyProtocol is v2",
  ],
  ["limits: {queueMax: 0}\ntimeouts: {queue: 1s}", "2:12: timeouts.queue", "limits.queueMax is 0"],
  [
    "timeouts: {exchange: 10s, responseHead: 20s}",
    "1:27: timeouts.responseHead",
    "timeouts.exchange ends the whole after 10s",
  ],
  [
    "timeouts: {exchange: 1s, connect: 1s}",
    "1:26: timeouts.connect",
    "timeouts.exchange ends the whole after 1s",
  ],
  [
    "timeouts: {exchange: 10s, clientHalfClosed: 1h}",
    "1:27: timeouts.clientHalfClosed",
    "timeouts.exchange ends the whole after 10s",
  ],
  [
    "timeouts: {linger: 3s, lingerIdle: 5s}",
    "1:24: timeouts.lingerIdle",
    "timeouts.linger ends the whole after 3s",
  ],
  ["timeouts: {lingerIdle: 30s}", "1:12: timeouts.lingerIdle", "timeouts.linger ends the whole after 30s"],
  ["timeouts: {lingerIdle: 29s}", "", ""],
  ["timeouts: {tlsHandshake: 5s}", "1:12: timeouts.tlsHandshake", "there is no section tls"],
  ["pools: [{name: a, match: {zone: b}}]", "1:10: pools[0].name", "no route names this pool"],
  ["pools: [{name: a, match: {zone: b}}]\nroutes: [{path: /**, pool: a}]", "", ""],
  [
    "choosing: {slowStart: {minShare: 0.5}}",
    "1:24: choosing.slowStart.minShare",
    "choosing.slowStart.window is 0s",
  ],
  ["choosing: {slowStart: {minShare: 0.5, window: 5s}}", "", ""],
]

for (const [text, where, because] of idle) {
  test(`${text.replaceAll("\n", "; ")}: ${because === "" ? "nothing to say" : because}`, () => {
    const lines = adviceOn(text)
    if (because === "") assert.deepEqual(lines, [])
    else {
      assert.equal(lines.length, 1, lines.join("\n"))
      assert.ok(lines[0]!.startsWith(`lb.yaml:${where}: has no effect, because `), lines[0])
      assert.ok(lines[0]!.includes(because), lines[0])
    }
  })
}

test("defaults are never spoken of", () => {
  assert.deepEqual(adviceOn(""), [])
})
