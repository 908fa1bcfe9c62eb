/** The result of a run as text for a person, in the tradition of `ab`. */
import { aligned } from "../text/aligned.ts"
import { plural } from "../text/human.ts"
import { spamErrors } from "./channel.ts"
import type { LatencySummary, SpamResult } from "./result.ts"

/** Several paragraphs that end in a line break. No colours: it may go into a file. */
export function summaryText(result: SpamResult): string {
  const parts = [head(result), latencies(result), statuses(result)]
  if (result.classes.length > 1) parts.push(classes(result))
  if (result.backends.length > 0) parts.push(backends(result))
  for (const warning of result.generator.warnings) parts.push(`Beware: ${warning}.\n`)
  return parts.filter((part) => part !== "").join("\n")
}

function head(result: SpamResult): string {
  const { requests, rate, bytes, generator } = result
  const seconds = (result.countedMs / 1_000).toFixed(2)
  const rows: [string, string][] = [
    ["Target", result.target],
    [
      "Load",
      result.mode === "closed"
        ? `closed loop, ${result.connections} connections in ${plural(result.threads, "thread")}`
        : `open loop, ${count(rate.asked ?? 0)} requests/s meant, at most ${result.connections} connections in ${plural(result.threads, "thread")}`,
    ],
    [
      "Time",
      `${seconds} s counted${requests.warmUp > 0 ? `, behind a warm-up of ${whole(requests.warmUp)} requests` : ""}`,
    ],
    [
      "Requests",
      `${whole(requests.sent)} sent, ${whole(requests.answered)} with a response, ${whole(requests.failed)} failed`,
    ],
    ["Rate", `${count(rate.sent)}/s sent, ${count(rate.answered)}/s with a response`],
    ["Received", `${size(bytes.received)}, ${size((bytes.received / result.countedMs) * 1_000)}/s`],
    [
      "Connections",
      `${whole(result.connectionsOpened)} opened${requests.resent > 0 ? `, ${whole(requests.resent)} requests sent again because theirs had been closed` : ""}`,
    ],
    [
      "Generator",
      `${(generator.cpuMsPerRequest * 1_000).toFixed(1)} µs of CPU a request${generator.busy === undefined ? "" : `, busy ${Math.round(generator.busy * 100)} % of the time`}`,
    ],
    ["Seed", String(result.seed)],
  ]
  return rows.map(([name, value]) => `${`${name}:`.padEnd(13)} ${value}\n`).join("")
}

const columns: readonly (keyof LatencySummary)[] = [
  "min",
  "mean",
  "p50",
  "p75",
  "p90",
  "p95",
  "p99",
  "p999",
  "p9999",
  "max",
]

function latencies({ latency, mode, generator }: SpamResult): string {
  if (latency.fromIntended.count === 0) return ""
  const rows: (readonly [string, LatencySummary])[] =
    mode === "closed"
      ? [["of a closed loop", latency.fromSent]]
      : [
          ["from when it was due", latency.fromIntended],
          ["from when it was sent", latency.fromSent],
        ]
  if (mode === "open" && generator.lateness.count > 0) rows.push(["generator's lateness", generator.lateness])
  const table = [
    ["Latency, ms", ...columns.map(shownColumn)],
    ...rows.map(([name, summary]) => [name].concat(columns.map((column) => ms(summary[column])))),
  ]
  const remark =
    mode === "closed"
      ? "A closed loop asks a stalled target less, so it hides stalls; --rate does not.\n"
      : ""
  return aligned(table) + remark
}

function statuses({ statuses: byStatus, errors, requests }: SpamResult): string {
  const lines = Object.entries(byStatus)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([status, number]) => [status, whole(number), percent(number / Math.max(1, requests.answered)), ""])
  for (const [kind, { count: number, detail }] of Object.entries(errors)) {
    const meaning = spamErrors[kind as keyof typeof spamErrors]
    lines.push([kind, whole(number), "", detail === "" ? meaning : `${meaning} (${detail})`])
  }
  return lines.length === 0 ? "" : aligned([["Outcome", "count", "", ""], ...lines], "sentences")
}

function classes(result: SpamResult): string {
  return aligned([
    ["Class", "sent", "responses", "failed", "mean, ms", "p50", "p99"],
    ...result.classes.map(({ name, sent, answered, failed, latency }) => [
      name,
      whole(sent),
      whole(answered),
      whole(failed),
      ms(latency.mean),
      ms(latency.p50),
      ms(latency.p99),
    ]),
  ])
}

function backends(result: SpamResult): string {
  const names = result.classes.length > 1 ? result.classes.map(({ name }) => name) : []
  const table = aligned([
    ["Backend", "responses", "share", ...names],
    ...result.backends.map(({ id, answered, share, byClass }) => [
      id,
      whole(answered),
      percent(share),
      ...(names.length === 0 ? [] : byClass.map(whole)),
    ]),
  ])
  return result.fairness === undefined
    ? table
    : `${table}Jain's index of the responses: ${result.fairness.toFixed(3)}\n`
}

const shownColumn = (column: string): string => column.replace(/^p(99)(9+)$/, "p$1.$2")

function ms(value: number | undefined): string {
  if (value === undefined) return "-"
  return value < 100 ? value.toFixed(2) : value.toFixed(value < 1_000 ? 1 : 0)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en")
}

function count(value: number): string {
  return value < 100 ? value.toFixed(1) : whole(value)
}

function percent(part: number): string {
  return `${(part * 100).toFixed(part < 0.1 ? 2 : 1)} %`
}

function size(bytes: number): string {
  if (bytes < 1_024) return `${Math.round(bytes)} B`
  for (const [unit, factor] of [
    ["KiB", 2 ** 10],
    ["MiB", 2 ** 20],
  ] as const) {
    if (bytes < factor * 1_024) return `${(bytes / factor).toFixed(1)} ${unit}`
  }
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
