/** Which host a request is for: what backends are told of it, and what is compared with it. */
import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { answering, noAffinity, type RelayChange, relay, routingOf } from "../support/relay.ts"
import { ok } from "../support/wire/messages.ts"

/** The head that a backend gets for a request, and the balancer's port. */
async function told(
  t: TestContext,
  request: string,
  change: RelayChange = {},
): Promise<{ answer: string; port: number; head: string }> {
  const backend = await answering(t, () => ok("here"))
  const { ask, port } = await relay(t, [backend], change)
  const answer = await ask(request)
  return { answer, port, head: backend.wires[0]?.text ?? "" }
}

test("the authority of an absolute target takes the place of Host", async (t) => {
  const request =
    "GET http://b.example:8080/x HTTP/1.1\r\nHost: a.example\r\nA: b\r\nConnection: close\r\n\r\n"
  const { head } = await told(t, request)
  assert.match(
    head,
    /^GET \/x HTTP\/1\.1\r\nA: b\r\nHost: b\.example:8080\r\nX-Forwarded-Host: b\.example:8080\r\n/,
  )
  assert.doesNotMatch(head, /a\.example/)
})

test("a Host that goes on is as it came", async (t) => {
  const request = "GET / HTTP/1.1\r\nHost: A.Example.:80\r\nConnection: close\r\n\r\n"
  const { head } = await told(t, request)
  assert.match(head, /\r\nHost: A\.Example\.:80\r\n[^]*X-Forwarded-Host: A\.Example\.:80\r\n/)
})

test("contradictions of target and Host are refused where that is set", async (t) => {
  const request = "GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n"
  const { answer, head } = await told(t, request, { requests: { hostConflicts: "all" } })
  assert.match(answer, /^HTTP\/1\.1 400 [^]*invalid_host/)
  assert.equal(head, "")
})

test("a request of HTTP/1.0 without Host is for the address that it came to, or for the configured host", async (t) => {
  const { head, port } = await told(t, "GET / HTTP/1.0\r\n\r\n")
  assert.match(head, new RegExp(`\r\nHost: 127\\.0\\.0\\.1:${port}\r\n`))
  assert.doesNotMatch(head, /X-Forwarded-Host/)
  const configured = await told(t, "GET / HTTP/1.0\r\n\r\n", { requests: { host: "a.example:81" } })
  assert.match(configured.head, /\r\nHost: a\.example:81\r\n/)
  const absolute = await told(t, "GET http://b.example HTTP/1.0\r\n\r\n", { requests: { host: "a.example" } })
  assert.match(absolute.head, /^GET \/ HTTP\/1\.1\r\nHost: b\.example\r\n/)
})

test("a route for the configured host holds for requests that name none", async (t) => {
  const { groups, affinity } = routingOf("round-robin")
  const matching = (id: string) => ({
    ...groups[0]!,
    pool: id,
    match: { labels: {}, zone: undefined, ids: [id] },
  })
  const rule = { name: "a", method: undefined, host: "a.example", path: "/**" }
  const route = { rule, group: 1, demand: undefined, isTrusted: false, affinity: noAffinity }
  const routing = { groups: [matching("b0"), matching("b1")], routes: [route], affinity }
  const backends = await Promise.all(["rest", "a"].map((name) => answering(t, () => ok(name))))
  const { ask } = await relay(t, backends, { routing, requests: { host: "A.example.:81" } })
  assert.match(await ask("GET / HTTP/1.0\r\n\r\n"), /\r\n\r\na$/)
  assert.match(await ask("GET / HTTP/1.0\r\nHost: b.example\r\n\r\n"), /\r\n\r\nrest$/)
  // The target counts, and not its Host.
  const absolute = "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n"
  assert.match(await ask(absolute), /\r\n\r\na$/)
})
