import assert from "node:assert/strict"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { test, type TestContext } from "node:test"
import { plainBackends } from "../../test/support/backend-options.ts"
import { memberAt } from "../../test/support/members.ts"
import type { Member } from "../membership/snapshot.ts"
import type { LoadReport } from "../core/load-report.ts"
import { resourcesDefault } from "../core/resources.ts"
import { seeded } from "../core/rng.ts"
import { Dialer } from "../proxy/backends/dial.ts"
import { systemClock, systemTimers, type Timers } from "../system.ts"
import { LoadPolls } from "./load-polls.ts"
import { until } from "../../test/support/until.ts"

const nobodyTrusted = { ca: undefined, verify: true, serverName: undefined, cert: undefined, key: undefined }

async function backend(t: TestContext, slot: number, listener: RequestListener): Promise<Member> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return memberAt(slot, { host: "127.0.0.1", port }, { compute: 1, storage: 1 })
}

function polling(
  t: TestContext,
  members: readonly Member[],
  timers: Timers = systemTimers,
): { polls: LoadPolls; reports: Map<string, LoadReport[]> } {
  const reports = new Map<string, LoadReport[]>()
  const polls = new LoadPolls({
    path: "/load",
    intervalMs: 60,
    resources: resourcesDefault,
    dialer: new Dialer({ ...plainBackends, tls: nobodyTrusted }, systemClock, { timers: systemTimers }),
    clock: systemClock,
    rng: seeded(1),
    timers,
    onReport: (id, report) => reports.set(id, [...(reports.get(id) ?? []), report]),
  })
  t.after(() => polls.close())
  polls.follow({ version: 1, members, eligible: members })
  return { polls, reports }
}

test("backends are asked again and again, and what they report is passed on", async (t) => {
  const asked: (string | undefined)[] = []
  const member = await backend(t, 0, (request, response) => {
    asked.push(request.url)
    response.setHeader("endpoint-load-metrics", "TEXT utilization.compute=0.5, utilization.storage:0.25")
    response.end("x".repeat(100_000))
  })
  const { polls, reports } = polling(t, [member])
  await until("three reports came", () => (reports.get("b0")?.length ?? 0) >= 3)
  assert.deepEqual([...reports.get("b0")![0]!.utilization], [0.5, 0.25])
  assert.deepEqual(new Set(asked), new Set(["/load"]))
  assert.equal(polls.errorOf(member.id), undefined)

  polls.follow({ version: 2, members: [], eligible: [] })
  const before = asked.length
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.ok(asked.length <= before + 1, "a backend that has left is asked no more")
})

test("what goes wrong with one backend is said, and keeps no other from being asked", async (t) => {
  const members = await Promise.all([
    backend(t, 0, (_, response) => response.writeHead(404).end()),
    backend(t, 1, (_, response) => response.setHeader("endpoint-load-metrics", "nonsense").end()),
    backend(t, 2, () => {}),
    backend(t, 3, (request) => request.socket.destroy()),
    backend(t, 4, (_, response) =>
      response.setHeader("endpoint-load-metrics", "utilization.compute=1").end(),
    ),
  ])
  const { polls, reports } = polling(t, members)
  await until("all have been asked", () =>
    members.slice(0, 4).every(({ id }) => polls.errorOf(id) !== undefined),
  )
  await until("one has reported", () => reports.has("b4"))
  const errors = members.map(({ id }) => polls.errorOf(id))
  assert.deepEqual(errors, [
    "GET /load returned 404",
    "GET /load returned no usable load report",
    "no response within 60 ms",
    "connection reset",
    undefined,
  ])
  assert.deepEqual([...reports.keys()], ["b4"])
})

test("what went wrong is forgotten with the next report", async (t) => {
  let asked = 0
  const member = await backend(t, 0, (_, response) => {
    if (asked++ > 0) response.setHeader("endpoint-load-metrics", "utilization.compute=1")
    response.end()
  })
  const { polls, reports } = polling(t, [member])
  await until("it has failed", () => polls.errorOf(member.id) !== undefined)
  await until("it has reported", () => reports.has("b0"))
  assert.equal(polls.errorOf(member.id), undefined)
})

test("backends that came together are asked at moments of their own, within one interval", (t) => {
  const first: number[] = []
  const timers = { set: (ms: number) => (first.push(ms), () => {}) }
  const address = { host: "127.0.0.1", port: 80 }
  polling(t, [memberAt(0, address, {}), memberAt(1, address, {})], timers)
  assert.equal(new Set(first).size, 2)
  assert.ok(
    first.every((ms) => ms > 0 && ms < 60),
    first.join(", "),
  )
})
