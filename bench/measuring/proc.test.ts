import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { test } from "node:test"
import { cpuBetween, cpuTimeOf, memoryOf, parseKilobytes, parseSchedstat, parseStat, treeOf } from "./proc.ts"

const hasProc = existsSync("/proc/self/schedstat") && existsSync("/proc/self/smaps_rollup")

test("parent and ticks are found behind a name that has spaces and parentheses", () => {
  const text = "4242 (a (b) c) S 17 4242 17 0 -1 4194560 923 0 0 0 1234 567 0 0 20 0 11 0 45435 3133440 388"
  assert.deepEqual(parseStat(text), { parent: 17, userTicks: 1_234, systemTicks: 567 })
})

test("the first number of schedstat is the time on a CPU", () => {
  assert.equal(parseSchedstat("6154428 7683870 7\n"), 6_154_428)
})

test("kilobytes are read as bytes, of exactly the field that was asked for", () => {
  const text = "Rss:      1234 kB\nPss:       617 kB\nPss_Anon:  100 kB\n"
  assert.equal(parseKilobytes(text, "Pss"), 617 * 1_024)
  assert.equal(parseKilobytes(text, "Swap"), 0)
})

test("the scheduler's nanoseconds are divided as the ticks are", () => {
  const before = { totalUs: 1_000, userTicks: 10, systemTicks: 10 }
  const after = { totalUs: 401_000, userTicks: 20, systemTicks: 40 }
  assert.deepEqual(cpuBetween(before, after), { totalUs: 400_000, userUs: 100_000, systemUs: 300_000 })
})

test("without a tick in between, what was used counts as user time", () => {
  const reading = { totalUs: 5, userTicks: 1, systemTicks: 1 }
  assert.deepEqual(cpuBetween(reading, { ...reading, totalUs: 7 }), { totalUs: 2, userUs: 2, systemUs: 0 })
})

test(
  "a tree is the process with its children, and their CPU time and memory count",
  { skip: !hasProc },
  async () => {
    const busy =
      "const until = performance.now() + 50; while (performance.now() < until); console.log('done')"
    const child = spawn(process.execPath, ["-e", `${busy}; setInterval(() => {}, 1000)`], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    try {
      await once(child.stdout, "data")
      const tree = treeOf(process.pid)
      assert.equal(tree[0], process.pid)
      assert.ok(tree.includes(child.pid!))
      assert.ok(cpuTimeOf(process.pid).totalUs > cpuTimeOf(child.pid!).totalUs)
      assert.ok(cpuTimeOf(child.pid!).totalUs > 0)
      const { pssBytes, rssBytes } = memoryOf(child.pid!)
      assert.ok(pssBytes > 0 && pssBytes <= rssBytes)
    } finally {
      child.kill("SIGKILL")
      await once(child, "exit")
    }
  },
)

test("a process that is gone has used nothing that can be read", { skip: !hasProc }, async () => {
  const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" })
  await once(child, "exit")
  assert.deepEqual(cpuTimeOf(child.pid!), { totalUs: 0, userTicks: 0, systemTicks: 0 })
  assert.deepEqual(memoryOf(child.pid!), { rssBytes: 0, pssBytes: 0 })
})
