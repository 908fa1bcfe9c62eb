import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { DnsServer } from "../../../test/support/dns/dns-server.ts"
import { type DnsAnswer, DnsQuestions, type RecordType } from "./dns-questions.ts"

test("addresses come with the least time to live of their records", async (t) => {
  const { dns, ask } = await world(t)
  dns.zone["A app.internal"] = { ttl: 7, records: ["10.0.0.1", "10.0.0.2"] }
  dns.zone["AAAA app.internal"] = { ttl: 0, records: ["2001:db8::1"] }
  const { records, ttlMs } = await ask("A", "app.internal")
  assert.deepEqual(records.map(({ host }) => host).sort(), ["10.0.0.1", "10.0.0.2"])
  assert.equal(ttlMs, 7_000)
  const address = { host: "2001:db8::1", service: undefined }
  assert.deepEqual(await ask("AAAA", "app.internal."), { records: [address], ttlMs: 0 })
})

test("targets of a service come with port, priority and weight; the target . is none", async (t) => {
  const { dns, ask } = await world(t)
  dns.zone["SRV _http._tcp.app"] = { ttl: 7, records: ["10 5 8080 a.app", "20 0 8081 b.app"] }
  dns.zone["SRV _none._tcp.app"] = { ttl: 7, records: ["0 0 0 ."] }
  const { records, ttlMs } = await ask("SRV", "_http._tcp.app")
  assert.deepEqual(
    records.toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    [
      { host: "a.app", service: { port: 8080, priority: 10, weight: 5 } },
      { host: "b.app", service: { port: 8081, priority: 20, weight: 0 } },
    ],
  )
  assert.equal(ttlMs, undefined)
  assert.equal(await codeOf(ask("SRV", "_none._tcp.app")), "ENODATA")
})

test("a name that is not there, has no such records, or whose server fails is an error", async (t) => {
  const { dns, ask } = await world(t)
  dns.zone["A empty.app"] = { ttl: 1, records: [] }
  dns.zone["A broken.app"] = "failure"
  assert.equal(await codeOf(ask("A", "gone.app")), "ENOTFOUND")
  assert.equal(await codeOf(ask("A", "empty.app")), "ENODATA")
  assert.equal(await codeOf(ask("A", "broken.app")), "ESERVFAIL")
})

test("an open question ends when it is given up", async (t) => {
  const { dns, ask, questions } = await world(t)
  dns.zone["A slow.app"] = "silence"
  const asked = codeOf(ask("A", "slow.app"))
  questions.close()
  assert.equal(await asked, "ECANCELLED")
})

interface World {
  readonly dns: DnsServer
  readonly questions: DnsQuestions
  readonly ask: (type: RecordType, name: string) => Promise<DnsAnswer>
}

async function world(t: TestContext): Promise<World> {
  const dns = await DnsServer.start(t)
  const questions = new DnsQuestions(dns.address)
  const ask: World["ask"] = (type, name) =>
    new Promise((resolve, reject) => {
      questions.ask(type, name, (error, answer) => (error === undefined ? resolve(answer) : reject(error)))
    })
  return { dns, questions, ask }
}

async function codeOf(asked: Promise<unknown>): Promise<unknown> {
  return asked.then(
    () => "an answer",
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  )
}
