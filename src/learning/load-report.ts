/**
 * Load reports as backends write them in the fields `endpoint-load-metrics` and `endpoint-load-metrics-bin`: text to
 * `LoadReport`. Whatever a backend sends, nothing here throws.
 *
 * @see cncf/xds, `xds/data/orca/v3/orca_load_report.proto`, and gRPC proposal A51 for the fields.
 */
import type { LoadReport } from "../core/load-report.ts"
import { amountMax, type ResourceTable, type ResourceVector } from "../core/resources.ts"
import { readOrcaMessage, type MapName, type ReportSink, type ScalarName } from "./orca-message.ts"

/** Longer values are not read: no report worth reading is that long. */
const reportCharsMax = 16_384
/** Names under `named_metrics` that are kept, and their longest. */
const namedMetricsMax = 64
const metricNameCharsMax = 128

/** The resources that CPU and memory are, when the operator has named them as ORCA does. */
const cpuNames: readonly string[] = ["cpu"]
const memNames: readonly string[] = ["mem", "memory"]

/**
 * The report in a value of `endpoint-load-metrics`, or undefined when it says nothing that can be used.
 *
 * The first word is the format: `TEXT`, `JSON` or `BIN`. Without one it is JSON when it begins with a brace and text
 * otherwise, as some documentations show it. Text is `name=value` or `name:value`, separated by commas; JSON has names
 * in snake or in camel case; BIN is the base64 of a protobuf message, its padding optional.
 *
 * What cannot be used is skipped, and the rest counts: unknown names, numbers that are negative, not finite or quoted,
 * costs beyond what a resource can hold. Of a name given twice the last usable value counts. JSON and BIN count as a
 * whole or not at all, but for such values: where their grammar is broken, the rest is guesswork.
 *
 * `request_cost.NAME` and `utilization.NAME` are for the resource of that name. A resource named `cpu` takes
 * `cpu_utilization`, and `mem` or `memory` takes `mem_utilization`, where `utilization` does not name it. A resource of
 * another name does not, `compute` neither: that CPU is what it means is for the operator to say, by its name.
 *
 * The single numbers (`cpu_utilization`, `eps`, …) are NaN when they are 0: a protobuf message cannot say 0, and
 * readers of the format take 0 for "unset". A cost or utilization of 0 is one, its name says that it is meant.
 *
 * O(length).
 */
export function parseLoadReport(value: string, resources: ResourceTable): LoadReport | undefined {
  if (value.length > reportCharsMax) return undefined
  const draft = new Draft(resources)
  const text = value.trim()
  const format = /^(TEXT|JSON|BIN)(?:[ \t]+|$)/i.exec(text)
  const rest = format === null ? text : text.slice(format[0].length)
  switch (format?.[1]?.toUpperCase() ?? (text.startsWith("{") ? "JSON" : "TEXT")) {
    case "JSON":
      readJson(rest, draft)
      break
    case "BIN":
      if (!readOrcaMessage(rest, draft)) return undefined
      break
    default:
      readText(rest, draft)
  }
  return draft.report()
}

/** The report in a value of `endpoint-load-metrics-bin`: base64 of a protobuf message, as gRPC writes it. */
function parseLoadReportBin(value: string, resources: ResourceTable): LoadReport | undefined {
  if (value.length > reportCharsMax) return undefined
  const draft = new Draft(resources)
  return readOrcaMessage(value.trim(), draft) ? draft.report() : undefined
}

/**
 * The report of a response: the binary field first, the other one where there is none or it cannot be used. Give the
 * first value of each field; further ones are not read.
 */
export function loadReportOf(
  binary: string | undefined,
  plain: string | undefined,
  resources: ResourceTable,
): LoadReport | undefined {
  const report = binary === undefined ? undefined : parseLoadReportBin(binary, resources)
  return report ?? (plain === undefined ? undefined : parseLoadReport(plain, resources))
}

/** A report that says nothing but what is given, by resource. */
export function loadReport(
  resources: ResourceTable,
  said: Partial<Omit<LoadReport, "namedMetrics">> & { readonly namedMetrics?: ReadonlyMap<string, number> },
): LoadReport {
  return { ...new Draft(resources).blank(), ...said }
}

const scalarNames: ReadonlyMap<string, ScalarName> = new Map([
  ["cpu_utilization", "cpu_utilization"],
  ["cpuUtilization", "cpu_utilization"],
  ["mem_utilization", "mem_utilization"],
  ["memUtilization", "mem_utilization"],
  ["application_utilization", "application_utilization"],
  ["applicationUtilization", "application_utilization"],
  ["rps_fractional", "rps_fractional"],
  ["rpsFractional", "rps_fractional"],
  ["eps", "eps"],
  ["rps", "rps"],
])

const mapNames: ReadonlyMap<string, MapName> = new Map([
  ["request_cost", "request_cost"],
  ["requestCost", "request_cost"],
  ["utilization", "utilization"],
  ["named_metrics", "named_metrics"],
  ["namedMetrics", "named_metrics"],
])

const noMetrics: ReadonlyMap<string, number> = new Map()

/** A report while it is read. */
class Draft implements ReportSink {
  readonly #resources: ResourceTable
  readonly #requestCost: ResourceVector
  readonly #utilization: ResourceVector
  #cpu = NaN
  #mem = NaN
  #application = NaN
  #rpsFractional = NaN
  #rps = NaN
  #eps = NaN
  #named: Map<string, number> | undefined

  constructor(resources: ResourceTable) {
    this.#resources = resources
    this.#requestCost = new Float64Array(resources.length).fill(NaN)
    this.#utilization = new Float64Array(resources.length).fill(NaN)
  }

  scalar(name: ScalarName, value: number): void {
    if (!isUsable(value) || value === 0) return
    switch (name) {
      case "cpu_utilization":
        this.#cpu = value
        return
      case "mem_utilization":
        this.#mem = value
        return
      case "application_utilization":
        this.#application = value
        return
      case "rps_fractional":
        this.#rpsFractional = value
        return
      case "rps":
        this.#rps = value
        return
      case "eps":
        this.#eps = value
    }
  }

  entry(map: MapName, key: string, value: number): void {
    if (!isUsable(value)) return
    if (map === "named_metrics") {
      if (key === "" || key.length > metricNameCharsMax) return
      this.#named ??= new Map()
      if (this.#named.size < namedMetricsMax || this.#named.has(key)) this.#named.set(key, value)
      return
    }
    const index = this.#indexOf(key)
    if (index === -1) return
    if (map === "utilization") this.#utilization[index] = value
    else if (value <= amountMax(this.#resources[index]!)) this.#requestCost[index] = value
  }

  /** As it stands; undefined when nothing was said. */
  report(): LoadReport | undefined {
    const report = this.blank()
    this.#alias(cpuNames, report.cpuUtilization)
    this.#alias(memNames, report.memUtilization)
    const saysNothing =
      report.namedMetrics.size === 0 &&
      Number.isNaN(report.cpuUtilization) &&
      Number.isNaN(report.memUtilization) &&
      Number.isNaN(report.applicationUtilization) &&
      Number.isNaN(report.rpsFractional) &&
      Number.isNaN(report.eps) &&
      report.requestCost.every(Number.isNaN) &&
      report.utilization.every(Number.isNaN)
    return saysNothing ? undefined : report
  }

  blank(): LoadReport {
    return {
      requestCost: this.#requestCost,
      utilization: this.#utilization,
      cpuUtilization: this.#cpu,
      memUtilization: this.#mem,
      applicationUtilization: this.#application,
      // The whole number of requests per second is what reporters sent before the definition had the other.
      rpsFractional: Number.isNaN(this.#rpsFractional) ? this.#rps : this.#rpsFractional,
      eps: this.#eps,
      namedMetrics: this.#named ?? noMetrics,
    }
  }

  #alias(names: readonly string[], utilization: number): void {
    for (const name of names) {
      const index = this.#indexOf(name)
      if (index !== -1 && Number.isNaN(this.#utilization[index])) this.#utilization[index] = utilization
    }
  }

  #indexOf(name: string): number {
    for (let r = 0; r < this.#resources.length; r++) if (this.#resources[r]!.name === name) return r
    return -1
  }
}

function isUsable(value: number): boolean {
  return value >= 0 && value < Infinity
}

function readText(text: string, sink: ReportSink): void {
  for (const item of text.split(",")) {
    const equals = item.indexOf("=")
    const separator = equals === -1 ? item.indexOf(":") : equals
    if (separator === -1) continue
    const name = item.slice(0, separator).trim()
    const value = decimalOf(item.slice(separator + 1).trim())
    const scalar = scalarNames.get(name)
    if (scalar !== undefined) {
      sink.scalar(scalar, value)
      continue
    }
    const dot = name.indexOf(".")
    const map = dot === -1 ? undefined : mapNames.get(name.slice(0, dot))
    if (map !== undefined) sink.entry(map, name.slice(dot + 1), value)
  }
}

const decimal = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const decimalCharsMax = 40

/** NaN for what is no plain decimal number: no hexadecimal, no quotes, no `Infinity`. */
function decimalOf(text: string): number {
  return text.length <= decimalCharsMax && decimal.test(text) ? Number(text) : NaN
}

function readJson(text: string, sink: ReportSink): void {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return
  }
  if (typeof found !== "object" || found === null) return
  for (const [name, value] of Object.entries(found)) {
    const scalar = scalarNames.get(name)
    const map = mapNames.get(name)
    if (scalar !== undefined) sink.scalar(scalar, jsonNumber(value))
    else if (map !== undefined && typeof value === "object" && value !== null) {
      for (const [key, one] of Object.entries(value)) sink.entry(map, key, jsonNumber(one))
    }
  }
}

/** Numbers of the JSON form of protobuf may stand in quotes. */
function jsonNumber(value: unknown): number {
  if (typeof value === "number") return value
  return typeof value === "string" ? decimalOf(value) : NaN
}
