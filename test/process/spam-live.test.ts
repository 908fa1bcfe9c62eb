/** The load generator against what is real: a server that stalls, and a scenario with a process for each backend. */
import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, test } from "node:test"
import type { Comparison } from "../../src/live/comparison.ts"
import type { SpamResult } from "../../src/load/result.ts"
import { childrenOf, isAlive, linebacker } from "../support/processes.ts"
import { until } from "../support/until.ts"

const folder = mkdtempSync(join(tmpdir(), "linebacker-live-"))
after(() => rmSync(folder, { recursive: true }))

test("a server that stands still for a second is seen as it is: requests that were due meanwhile count from then", async (t) => {
  const stallsAtMs = 1_500
  const stallMs = 1_000
  // When each request came and was responded to: what the generator says is held against this.
  const cameAt: number[] = []
  const endedAt: number[] = []
  const held: (() => void)[] = []
  const server = createServer((_, response) => {
    const index = cameAt.push(performance.now()) - 1
    const at = cameAt[index]! - cameAt[0]!
    const end = (): void => {
      endedAt[index] = performance.now()
      response.end()
    }
    if (at < stallsAtMs || at >= stallsAtMs + stallMs) {
      end()
      return
    }
    if (held.push(end) === 1) {
      setTimeout(() => held.splice(0).forEach((one) => one()), stallsAtMs + stallMs - at)
    }
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  // One connection: counted from when each request was really sent there is one slow request and no more.
  const words = ["--rate", "100", "--duration", "5s", "--connections", "1", "--no-spin", "--json"]
  const started = linebacker(t, "spam", `http://127.0.0.1:${port}/`, ...words)
  assert.equal(await started.ended, 0, started.said())
  const { latency, requests } = JSON.parse(started.said()) as SpamResult
  assert.deepEqual([requests.answered, requests.failed], [500, 0])
  // A hundred of five hundred were due in the stall, the k-th of them 10 k ms before its end: the slowest fifth is uniform
  // on 0 to 1000 ms. So the p-th percentile is (p − 80) / 20 s at least. A busy machine adds delays of its own: how
  // many, the server has seen.
  const slack = 150
  const sinceDue = endedAt.map((end, index) => end - (cameAt[0]! + 10 * index))
  const sinceCame = endedAt.map((end, index) => end - cameAt[index]!)
  for (const [key, share, ms] of [
    ["p75", 0.75, 0],
    ["p90", 0.9, 500],
    ["p95", 0.95, 750],
    ["p99", 0.99, 950],
    ["max", 1, 1_000],
  ] as const) {
    const measured = latency.fromIntended[key]!
    const seen = quantile(sinceDue, share)
    assert.ok(measured > ms - slack, `${key} is ${measured}, not ${ms}`)
    assert.ok(Math.abs(measured - seen) < slack, `${key} is ${measured}, and the server has seen ${seen}`)
  }
  const p99 = latency.fromSent.p99!
  const seen = quantile(sinceCame, 0.99)
  assert.ok(Math.abs(p99 - seen) < slack, `p99 from sending is ${p99}, and the server has seen ${seen}`)
})

test("a scenario is played with processes that crash, come and go, and loses nothing that the simulator does not", async (t) => {
  const scenario = join(folder, "small.yaml")
  writeFileSync(
    scenario,
    `lane: {compute: 1, storage: 1}
backends:
  compute: {capacity: {compute: 8, storage: 2}}
  storage: {count: 2, capacity: {compute: 2, storage: 4}}
  guest: {capacity: {compute: 2, storage: 2}, joins: 4s, leaves: 24s}
classes:
  render: {share: 0.5, demand: {compute: {exponential: 1}, storage: {exponential: 0.1}}}
  report: {share: 0.5, demand: {compute: {exponential: 0.1}, storage: {exponential: 1}}}
faults:
  - {kind: crash, backend: storage-2, at: 8s, for: 8s}
  - {kind: slow, backend: compute-1, at: 12s, for: 2s, factor: 0}
`,
  )
  const report = join(folder, "report")
  const words = ["--load", "0.3", "--speed", "10", "--duration", "4s", "--json", "--report", report]
  const started = linebacker(t, "spam", "--scenario", scenario, "--policy", "least-connections", ...words)
  let children: ReturnType<typeof childrenOf> = []
  await until(
    () => `three backends run; it said: ${started.said()}`,
    () => (children = childrenOf(started.pid)).length >= 3,
  )
  assert.equal(await started.ended, 0, started.said())
  const said = started.said()
  const { runs } = JSON.parse(said.slice(said.indexOf("{"), said.lastIndexOf("}") + 1)) as Comparison
  const [run] = runs
  assert.equal(runs.length, 1)
  assert.equal(run!.live.requests, run!.simulated.requests)
  assert.equal(run!.live.failed, 0)
  for (const row of [...Object.values(run!.live.shares), ...Object.values(run!.simulated.shares)]) {
    assert.ok(Math.abs(Object.values(row).reduce((sum, share) => sum + share, 0) - 1) < 1e-9)
  }
  assert.ok(run!.live.mean > 0.5 * run!.simulated.mean, `${run!.live.mean} ms`)
  assert.match(readFileSync(join(report, "report.html"), "utf8"), /least-connections, live/)
  assert.deepEqual(
    children.filter(({ pid }) => isAlive(pid)),
    [],
  )
})

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1]!
}
