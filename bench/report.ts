/** Tables of what was measured, for a terminal and for Markdown. */
import type { Machine } from "./machine.ts"
import type { Measurement } from "./measure.ts"
import type { Scenario } from "./scenarios.ts"
import { median, ratiosOf, type Spread, spreadOf } from "./statistics.ts"

export interface Entry {
  readonly peer: string
  readonly rounds: readonly Measurement[]
}

/** One scenario at one number of connections. */
export interface Trial {
  readonly scenario: Scenario
  readonly connections: number
  readonly entries: readonly Entry[]
  /** Who did not take part, and why. */
  readonly skipped: readonly string[]
}

/** Who the others are compared with. */
const references = ["nginx", "haproxy"] as const

export const columns = [
  "peer",
  "CPU µs/request",
  "min–max",
  "user",
  "system",
  ...references.map((name) => `× ${name}`),
  "requests/s",
  "core",
  "p50 ms",
  "p99 ms",
  "PSS MiB",
] as const

export function rowsOf(trial: Trial): string[][] {
  return trial.entries.map((entry) => {
    const faults = entry.rounds.flatMap((round) => round.faults)
    if (faults.length > 0) return [entry.peer, `INVALID: ${[...new Set(faults)].join("; ")}`]
    const of = (value: (round: Measurement) => number): number => median(entry.rounds.map(value))
    const cpu = spreadOf(cpuOf(entry))
    return [
      entry.peer,
      cpu.median.toFixed(1),
      `${cpu.min.toFixed(1)}–${cpu.max.toFixed(1)}`,
      of(({ userUs }) => userUs).toFixed(1),
      of(({ systemUs }) => systemUs).toFixed(1),
      ...references.map((name) =>
        ratioText(
          entry,
          trial.entries.find(({ peer }) => peer === name),
        ),
      ),
      Math.round(of(({ perSecond }) => perSecond)).toString(),
      `${Math.round(of(({ busy }) => busy) * 100)} %`,
      of(({ p50Ms }) => p50Ms).toFixed(2),
      of(({ p99Ms }) => p99Ms).toFixed(2),
      (of(({ pssBytes }) => pssBytes) / 2 ** 20).toFixed(1),
    ]
  })
}

function cpuOf({ rounds }: Entry): number[] {
  return rounds.map(({ cpuUs }) => cpuUs)
}

function ratioText(entry: Entry, reference: Entry | undefined): string {
  if (reference === undefined || reference.rounds.some(({ faults }) => faults.length > 0)) return "—"
  const { median, min, max }: Spread = ratiosOf(cpuOf(entry), cpuOf(reference))
  return reference === entry ? "1" : `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

/** Columns of equal width; the first is aligned to the left. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, c) =>
    Math.max(name.length, ...rows.filter((row) => row.length > 2).map((row) => row[c]?.length ?? 0)),
  )
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, c) => (c === 0 || row.length === 2 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

export function tableMarkdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const filled = rows.map((row) => head.map((_, c) => row[c] ?? ""))
  return [head, head.map((_, c) => (c === 0 ? "---" : "--:")), ...filled]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")
}

export function machineText({ cpu, cores, memoryGib, kernel, node, date }: Machine): string {
  return `${date}; ${cpu}, ${cores} cores, ${memoryGib} GiB; ${kernel}; Node ${node}`
}

/**
 * Replaces what is between `<!-- bench NAME -->` and the next `<!-- /bench -->`. Throws when the document has no
 * such place: figures must not get lost.
 */
export function withBlock(document: string, name: string, content: string): string {
  const start = `<!-- bench ${name} -->`
  const from = document.indexOf(start)
  const to = document.indexOf("<!-- /bench -->", from)
  if (from === -1 || to === -1) throw new Error(`there is no ${start} … <!-- /bench --> to replace`)
  return `${document.slice(0, from + start.length)}\n\n${content.trim()}\n\n${document.slice(to)}`
}
