import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import type { LoadReport } from "../core/load-report.ts"
import { namedOf, resourcesDefault, type ResourceTable } from "../core/resources.ts"
import { loadReport, loadReportOf, parseLoadReport } from "./load-report.ts"

const metricNameCharsMax = 128
const namedMetricsMax = 64
const reportCharsMax = 16_384

function tableOf(...names: readonly string[]): ResourceTable {
  return names.map((name) => ({ name, kind: "rate", resolution: 1 / 1024 }))
}

/** What a report says, by the names of the specification, without what it does not say. */
function said(report: LoadReport | undefined, resources: ResourceTable = resourcesDefault): unknown {
  return report === undefined ? undefined : written(report, resources)
}

function written(
  report: LoadReport,
  resources: ResourceTable,
): Record<string, number | Record<string, number>> {
  const numbers = {
    cpu_utilization: report.cpuUtilization,
    mem_utilization: report.memUtilization,
    application_utilization: report.applicationUtilization,
    rps_fractional: report.rpsFractional,
    eps: report.eps,
  }
  const maps = {
    request_cost: known(namedOf(resources, report.requestCost)),
    utilization: known(namedOf(resources, report.utilization)),
    named_metrics: Object.fromEntries(report.namedMetrics),
  }
  const used = Object.entries(maps).filter(([, map]) => Object.keys(map).length > 0)
  return { ...known(numbers), ...Object.fromEntries(used) }
}

function known(numbers: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => !Number.isNaN(value)))
}

const read = (value: string): unknown => said(parseLoadReport(value, resourcesDefault))

test("text is read as the specification shows it", () => {
  const value =
    "TEXT cpu_utilization=0.3, mem_utilization=0.8, rps_fractional=10.0, eps=1, named_metrics.queue=0.4," +
    " utilization.storage=0.5, request_cost.compute=3.25"
  assert.deepEqual(read(value), {
    cpu_utilization: 0.3,
    mem_utilization: 0.8,
    rps_fractional: 10,
    eps: 1,
    named_metrics: { queue: 0.4 },
    utilization: { storage: 0.5 },
    request_cost: { compute: 3.25 },
  })
})

test("JSON is read in snake and in camel case", () => {
  const snake = { cpu_utilization: 0.3, request_cost: { compute: 2 }, named_metrics: { queue: 4 } }
  const camel = { cpuUtilization: 0.3, requestCost: { compute: 2 }, namedMetrics: { queue: 4 } }
  assert.deepEqual(read(`JSON ${JSON.stringify(snake)}`), snake)
  assert.deepEqual(read(`JSON ${JSON.stringify(camel)}`), snake)
})

test("a colon separates as well as an equals sign", () => {
  assert.deepEqual(read("TEXT application_utilization:4, utilization.compute : 0.5"), {
    application_utilization: 4,
    utilization: { compute: 0.5 },
  })
  assert.deepEqual(read("TEXT named_metrics.a:b=2"), { named_metrics: { "a:b": 2 } })
})

test("a value without a format is text, or JSON when it begins with a brace", () => {
  assert.deepEqual(read("cpu_utilization=0.3, mem_utilization=0.8"), {
    cpu_utilization: 0.3,
    mem_utilization: 0.8,
  })
  assert.deepEqual(read('{"eps": 2}'), { eps: 2 })
})

test("the format is read in any case and with any white space behind it", () => {
  assert.deepEqual(read(' json\t {"eps": 2}'), { eps: 2 })
  assert.deepEqual(read("text eps=2"), { eps: 2 })
})

test("what cannot be used is skipped and the rest is kept", () => {
  const value =
    'TEXT cpu_utilization=NaN, mem_utilization=Infinity, eps=-1, rps_fractional="5", application_utilization=0x10,' +
    " utilization.compute=1e999, utilization.disk=0.5, nonsense, =, a=b=c, request_cost.storage=7"
  assert.deepEqual(read(value), { request_cost: { storage: 7 } })
})

test("numbers of JSON may stand in quotes, as protobuf's may, and anything else is skipped", () => {
  const value = {
    cpu_utilization: "0.5",
    mem_utilization: "NaN",
    eps: null,
    utilization: { compute: [1], storage: "0.25" },
    request_cost: "none",
    named_metrics: null,
  }
  assert.deepEqual(read(`JSON ${JSON.stringify(value)}`), {
    cpu_utilization: 0.5,
    utilization: { storage: 0.25 },
  })
})

test("of a name given twice the last usable value counts", () => {
  assert.deepEqual(read("TEXT eps=1, eps=2, utilization.compute=0.1, utilization.compute=0.2"), {
    eps: 2,
    utilization: { compute: 0.2 },
  })
  assert.deepEqual(read("TEXT eps=1, eps=-2"), { eps: 1 })
})

test("zero is unset for a single number, and zero for a cost or utilization", () => {
  assert.deepEqual(read("TEXT cpu_utilization=0, eps=0, utilization.compute=0, request_cost.storage=0"), {
    utilization: { compute: 0 },
    request_cost: { storage: 0 },
  })
})

test("what says nothing is no report", () => {
  for (const value of [
    "",
    " ",
    "TEXT",
    "TEXT ",
    "JSON",
    "JSON {}",
    "JSON [",
    "JSON 3",
    "BIN",
    "BIN ====",
    "eps=0",
  ]) {
    assert.equal(parseLoadReport(value, resourcesDefault), undefined, value)
  }
})

test("cpu_utilization is the utilization of a resource named cpu, unless that is named, and of no other", () => {
  const resources = tableOf("cpu", "memory", "compute")
  const aliased = parseLoadReport("TEXT cpu_utilization=0.3, mem_utilization=0.6", resources)!
  assert.deepEqual([...aliased.utilization], [0.3, 0.6, NaN])
  const named = parseLoadReport("TEXT cpu_utilization=0.3, utilization.cpu=0.4", resources)!
  assert.deepEqual([...named.utilization], [0.4, NaN, NaN])
})

test("costs that no load table can hold are skipped", () => {
  assert.deepEqual(read("TEXT request_cost.compute=1e300, request_cost.storage=2"), {
    request_cost: { storage: 2 },
  })
})

test("huge values are not read, and names are bounded in number and length", () => {
  assert.equal(parseLoadReport(`TEXT eps=1,${" ".repeat(reportCharsMax)}`, resourcesDefault), undefined)
  const many = Array.from({ length: namedMetricsMax + 50 }, (_, i) => `named_metrics.m${i}=${i}`).join(",")
  assert.equal(parseLoadReport(`TEXT ${many}`, resourcesDefault)!.namedMetrics.size, namedMetricsMax)
  const long = `TEXT eps=1, named_metrics.${"n".repeat(metricNameCharsMax + 1)}=1`
  assert.deepEqual(read(long), { eps: 1 })
})

test("names of Object.prototype are names as any other", () => {
  assert.deepEqual(
    read('JSON {"__proto__": {"eps": 5}, "constructor": 1, "eps": 2, "utilization": {"toString": 1}}'),
    {
      eps: 2,
    },
  )
})

/** A protobuf message from its fields, written here so that the decoder is not held to itself. */
function message(...fields: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(fields.flat())
}
function double(field: number, value: number): number[] {
  return [field * 8 + 1, ...new Uint8Array(Float64Array.of(value).buffer)]
}
function entry(field: number, key: string, value: number): number[] {
  const name = [...Buffer.from(key)]
  const inner = [0x0a, name.length, ...name, ...double(2, value)]
  return [field * 8 + 2, inner.length, ...inner]
}

const sample = message(
  double(1, 0.3),
  double(2, 0.8),
  [3 * 8, 0xac, 0x02],
  entry(4, "compute", 3.5),
  entry(5, "storage", 0.5),
  double(7, 1),
  entry(8, "queue", 4),
  double(9, 1.5),
)
const sampleSaid = {
  cpu_utilization: 0.3,
  mem_utilization: 0.8,
  rps_fractional: 300,
  request_cost: { compute: 3.5 },
  utilization: { storage: 0.5 },
  eps: 1,
  named_metrics: { queue: 4 },
  application_utilization: 1.5,
}

test("binary is read with and without padding and in both alphabets", () => {
  const text = Buffer.from(sample).toString("base64")
  for (const value of [text, text.replace(/=+$/, ""), Buffer.from(sample).toString("base64url")]) {
    assert.deepEqual(read(`BIN ${value}`), sampleSaid)
    assert.deepEqual(said(loadReportOf(value, undefined, resourcesDefault)), sampleSaid)
  }
})

test("bytes known by heart are the message that they are", () => {
  // field 1, a double, 0.25 = 0x3fd0000000000000: written out by hand.
  assert.deepEqual(said(loadReportOf("CQAAAAAAANA/", undefined, resourcesDefault)), { cpu_utilization: 0.25 })
})

test("fields that are unknown or of another type are skipped", () => {
  const odd = message(
    [15 * 8 + 2, 3, 1, 2, 3],
    [15 * 8 + 5, 1, 2, 3, 4],
    [1 * 8, 7],
    [4 * 8, 7],
    double(15, 3),
    double(7, 2),
  )
  assert.deepEqual(said(loadReportOf(Buffer.from(odd).toString("base64"), undefined, resourcesDefault)), {
    eps: 2,
  })
})

test("a binary report that is cut anywhere but between fields is none", () => {
  const starts = new Set([0])
  for (let at = 0; at < sample.length;) {
    const type = sample[at]! % 8
    at += type === 1 ? 9 : type === 0 ? 3 : 2 + sample[at + 1]!
    starts.add(at)
  }
  for (let length = 1; length < sample.length; length++) {
    const cut = Buffer.from(sample.subarray(0, length)).toString("base64")
    assert.equal(
      loadReportOf(cut, undefined, resourcesDefault) !== undefined,
      starts.has(length),
      `cut at ${length}`,
    )
  }
})

test("the binary field comes first, and the other where that one cannot be used", () => {
  const binary = "CQAAAAAAANA/"
  assert.deepEqual(said(loadReportOf(binary, "TEXT eps=3", resourcesDefault)), { cpu_utilization: 0.25 })
  assert.deepEqual(said(loadReportOf("!", "TEXT eps=3", resourcesDefault)), { eps: 3 })
  assert.deepEqual(said(loadReportOf(undefined, "TEXT eps=3", resourcesDefault)), { eps: 3 })
  assert.equal(loadReportOf(undefined, undefined, resourcesDefault), undefined)
})

test("a report reads the same from text and from JSON", () => {
  const amount = fc.oneof(fc.constant(NaN), fc.double({ min: 1e-9, max: 1e6, noNaN: true }))
  const vector = fc.array(amount, { minLength: 2, maxLength: 2 }).map((found) => Float64Array.from(found))
  const name = fc.stringMatching(/^[a-z_][a-z0-9_.-]{0,20}$/)
  const report = fc.record(
    {
      requestCost: vector,
      utilization: vector,
      cpuUtilization: amount,
      memUtilization: amount,
      applicationUtilization: amount,
      rpsFractional: amount,
      eps: amount,
      namedMetrics: fc
        .dictionary(name, fc.double({ min: 0, max: 1e6, noNaN: true }))
        .map((o) => new Map(Object.entries(o))),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(report, (one) => {
      const values = written(one, resourcesDefault)
      const texts = Object.entries(values).flatMap(([name, value]) =>
        typeof value === "number"
          ? `${name}=${value}`
          : Object.entries(value).map(([key, amount]) => `${name}.${key}=${amount}`),
      )
      for (const value of [`TEXT ${texts.join(", ")}`, `JSON ${JSON.stringify(values)}`]) {
        const again = parseLoadReport(value, resourcesDefault)
        assert.deepEqual(again ?? loadReport(resourcesDefault, {}), one)
      }
    }),
  )
})

test("hostile text and bytes never throw, and what they yield is finite and not negative", () => {
  const near = fc.string({
    unit: fc.constantFrom(...'{}[]":=,. \teE+-019TEXTJSONBINcpu_utilization.request_cost'.split("")),
  })
  const bytes = fc.uint8Array({ maxLength: 80 }).map((found) => Buffer.from(found).toString("base64"))
  const mutated = fc
    .tuple(fc.nat(sample.length - 1), fc.nat(255))
    .map(([at, byte]) => Buffer.from(sample.with(at, byte)).toString("base64"))
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), near, fc.json(), bytes, mutated),
      fc.constantFrom("", "TEXT ", "JSON ", "BIN "),
      (text, format) => {
        for (const report of [
          parseLoadReport(format + text, resourcesDefault),
          loadReportOf(text, undefined, resourcesDefault),
        ]) {
          if (report === undefined) continue
          const { requestCost, utilization, namedMetrics, ...scalars } = report
          for (const value of [
            ...requestCost,
            ...utilization,
            ...namedMetrics.values(),
            ...Object.values(scalars),
          ]) {
            assert.ok(Number.isNaN(value) || (value >= 0 && value < Infinity), String(value))
          }
        }
      },
    ),
    { numRuns: 1_000 },
  )
})
