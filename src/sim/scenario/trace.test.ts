import assert from "node:assert/strict"
import { createReadStream, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { formatProblem } from "../../text/problem.ts"
import { builtInUrl, type BuiltInName } from "./built-in.ts"
import { meanOf } from "./mean-of.ts"
import { readScenario } from "./scenario-file.ts"
import type { Scenario } from "./scenario.ts"
import { readTrace, type Trace } from "./trace.ts"
import { withTraces } from "./traced-scenario.ts"

const head = "TIMESTAMP,ContextTokens,GeneratedTokens"
const machineHead = "vm_sku,region,vm_id,date,cpu_events_per_s,disk_rand_read_8k_iops"

async function trace(file: string, ...pieces: string[]): Promise<Trace> {
  const read = await readTrace(file, pieces)
  assert.ok(read.ok, read.ok ? "" : formatProblem(read.error))
  return read.value
}

async function problem(...pieces: string[]): Promise<string> {
  const read = await readTrace("t.csv", pieces)
  return read.ok ? "" : formatProblem(read.error)
}

function builtIn(name: BuiltInName): Scenario {
  const read = readScenario({ file: `${name}.yaml`, text: readFileSync(builtInUrl(name), "utf8") })
  assert.ok(read.ok)
  return read.value
}

test("requests are read with their time to the fraction, wherever the pieces of the file are cut", async () => {
  const text = `\uFEFF${head}\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16T18:17:04+01:00,0,8`
  const whole = await trace("t.csv", text)
  const first = Date.UTC(2023, 10, 16, 18, 17, 3) + 979.96
  assert.deepEqual(whole, {
    kind: "requests",
    file: "t.csv",
    at: [first, Date.UTC(2023, 10, 16, 17, 17, 4)],
    context: [4808, 0],
    generated: [10, 8],
  })
  for (let cut = 0; cut <= text.length; cut++) {
    assert.deepEqual(await trace("t.csv", text.slice(0, cut), text.slice(cut)), whole, `cut at ${cut}`)
  }
})

test("a mistake names line and column", async () => {
  const row = "2023-11-16 18:17:03.9,1,2"
  const cases: readonly (readonly [text: string, problem: string])[] = [
    ["", "t.csv:1:1: there is no row"],
    [head, "t.csv:2:1: there is no row"],
    ["a,b\n", `t.csv:1:1: expected the first line ${head} or vm_sku,region,vm_id,date,…, found "a,b"`],
    [`${head}\n${row}\n${row},3`, "t.csv:3:27: expected 3 fields, found 4"],
    [`${head}\n${row}\n\n${row}`, "t.csv:3:2: expected 3 fields, found 1"],
    [
      `${head}\n2023-02-30 18:17:03,1,2`,
      't.csv:2:1: TIMESTAMP: expected a time like 2023-11-16 18:17:03.9799600, found "2023-02-30 18:17:03"',
    ],
    [
      `${head}\n2023-11-16 18:17:03.9,x,2`,
      't.csv:2:23: ContextTokens: expected an integer from 0 to 1000000000, found "x"',
    ],
    [
      `${head}\n2023-11-16 18:17:03.9,1,-2`,
      't.csv:2:25: GeneratedTokens: expected an integer from 0 to 1000000000, found "-2"',
    ],
    [`${head}\n"${row}"`, "t.csv:2:1: quoted fields are no part of this format"],
    [`${head}\n${"1".repeat(5_000)}`, "t.csv:2:1: expected at most 4096 characters in a line"],
    [
      `${machineHead}\nD8s,eastus,1,2023-07-09,12.5,0`,
      't.csv:2:30: disk_rand_read_8k_iops: expected a number above 0, up to 1000000000000, found "0"',
    ],
    [
      `${machineHead}\nD8s,east us,1,2023-07-09,12.5,1`,
      't.csv:2:5: region: expected a name, found "east us"',
    ],
  ]
  for (const [text, expected] of cases) assert.equal(await problem(text), expected)
})

test("a line without an end is refused before it is read to its end", async () => {
  let asked = 0
  function* endless(): Generator<string> {
    for (; asked < 1_000; asked++) yield "x".repeat(1_000)
  }
  const read = await readTrace("t.csv", endless())
  assert.ok(!read.ok)
  assert.ok(asked < 10, `${asked} pieces were read`)
})

test("recorded requests become classes named after what tells their files apart, in one order of time", async () => {
  const code = await trace(
    "x/Trace_code.csv",
    `${head}\n2023-11-16 18:00:01,100,10\n2023-11-16 18:00:03,300,20\n`,
  )
  const chat = await trace("x/Trace_chat.csv", `${head}\n2023-11-16 18:00:02,50,40\n`)
  const traced = withTraces(builtIn("llm"), [code, chat], 1)
  assert.ok(traced.ok)
  const { classes, arrivals } = traced.value
  assert.deepEqual(
    classes.map(({ name, share }) => [name, share]),
    [
      ["code", 2 / 3],
      ["chat", 1 / 3],
    ],
  )
  assert.equal(meanOf(classes[0]!.demand["kv-cache"]), 215)
  assert.ok(arrivals.kind === "trace")
  assert.deepEqual(arrivals.requests, [
    { atMs: 0, class: 0, demand: [100, 110], holdMs: 250 },
    { atMs: 1_000, class: 1, demand: [50, 90], holdMs: 1_000 },
    { atMs: 2_000, class: 0, demand: [300, 320], holdMs: 500 },
  ])
})

test("recorded requests need a rate and a space that they fit into", async () => {
  const small = await trace("a.csv", `${head}\n2023-11-16 18:00:01,100,10\n`)
  const large = await trace("a.csv", `${head}\n2023-11-16 18:00:01,90000,10\n`)
  const onRates = withTraces(builtIn("mild"), [small], 1)
  assert.ok(!onRates.ok && /kind space; "mild" has compute \(rate\), storage \(rate\)/.test(onRates.error))
  const tooLarge = withTraces(builtIn("llm"), [large], 1)
  assert.deepEqual(tooLarge, {
    ok: false,
    error: "a recorded request needs 90010 of kv-cache, and no backend has more than 90000",
  })
})

test("measured machines replace the fleet, scaled to what it has in sum, the same ones for the same seed", async () => {
  const rows = Array.from(
    { length: 100 },
    (_, i) => `${i % 2 === 0 ? "D8" : "B8"},east,${i},2023-07-09,${100 + i},${500 - i}`,
  )
  const machines = await trace("vm.csv", `${machineHead}\n${rows.join("\n")}\n`)
  const base = builtIn("equal")
  const traced = withTraces(base, [machines], 7)
  assert.ok(traced.ok)
  const { backends } = traced.value
  assert.equal(backends.length, 30)
  assert.equal(new Set(backends.map(({ name }) => name)).size, 30)
  for (const name of ["compute", "storage"]) {
    const sum = backends.reduce((total, { capacity }) => total + capacity[name]!, 0)
    // Thirty additions of doubles near 6.
    assert.ok(Math.abs(sum - 180) < 1e-9, `${sum} of ${name}`)
  }
  assert.deepEqual(withTraces(base, [machines], 7), traced)
  assert.notDeepEqual(withTraces(base, [machines], 8), traced)
})

test("machines must have what the scenario asks for, in number and kind", async () => {
  const one = await trace("vm.csv", `${machineHead}\nD8,east,1,2023-07-09,12,13\n`)
  const few = withTraces(builtIn("equal"), [one], 1)
  assert.deepEqual(few, { ok: false, error: '"vm.csv" has 1 machines, and the scenario 30 backends' })
  const other = withTraces(builtIn("llm"), [one], 1)
  assert.deepEqual(other, {
    ok: false,
    error: '"vm.csv" says nothing of the resource "prefill", only of compute, storage',
  })
})

const recordings = join(import.meta.dirname, "..", "..", "..", "..", "shared", "traces")
const skip = existsSync(recordings) ? false : "the recordings are not there: see docs/simulator.md"

async function recording(name: string) {
  return readTrace(name, createReadStream(join(recordings, name), { encoding: "utf8" }))
}

test("the public recordings are read whole", { skip }, async () => {
  const code = await recording("AzureLLMInferenceTrace_code.csv")
  const conv = await recording("AzureLLMInferenceTrace_conv.csv")
  const machines = await recording("azure_vm_capacity_vectors.csv")
  assert.ok(code.ok && code.value.kind === "requests")
  assert.equal(code.value.at.length, 8_819)
  assert.ok(conv.ok && conv.value.kind === "requests")
  assert.equal(conv.value.at.length, 19_366)
  assert.ok(machines.ok && machines.value.kind === "machines")
  assert.equal(machines.value.machines.length, 3_379)
  const played = withTraces(builtIn("llm"), [code.value, conv.value], 1)
  assert.ok(played.ok)
  assert.deepEqual(
    played.value.classes.map(({ name }) => name),
    ["code", "conv"],
  )
  assert.ok(withTraces(builtIn("three-types"), [machines.value], 1).ok)
})
