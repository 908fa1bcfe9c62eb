/**
 * Recordings of the real world in public formats: requests to language models, and what cloud machines can do.
 *
 * A file comes in pieces and is never whole in memory as text; rows, line lengths and numbers have limits. A mistake
 * names file, line and column. Files are told apart by their first line.
 */

import { fail, ok, type Result } from "../../core/result.ts"
import { shown } from "../../text/issue.ts"
import type { ConfigProblem } from "../../text/problem.ts"

/** Rows of one recording. */
const traceRowsMax = 2_000_000
const lineCharactersMax = 4_096
const tokensMax = 1e9
const throughputMax = 1e12

/**
 * Requests to a language model: `TIMESTAMP,ContextTokens,GeneratedTokens`, as in the Azure LLM inference traces of 2023
 * (Patel et al., "Splitwise", ISCA 2024) and 2024.
 */
export interface RequestTrace {
  readonly kind: "requests"
  readonly file: string
  /** Milliseconds since 1970, in the order of the file; then tokens, one entry per request. */
  readonly at: readonly number[]
  readonly context: readonly number[]
  readonly generated: readonly number[]
}

/** Machines with what was measured of each: `vm_sku,region,vm_id,date,` and then throughputs by any name. */
export interface MachineTrace {
  readonly kind: "machines"
  readonly file: string
  /** Names of what was measured. */
  readonly measures: readonly string[]
  readonly machines: readonly Machine[]
}

export interface Machine {
  readonly sku: string
  readonly region: string
  readonly id: string
  /** In the order of `measures`. */
  readonly amounts: readonly number[]
}

export type Trace = RequestTrace | MachineTrace

/** Takes the rows of one kind of file; returns what is wrong with one, if anything. */
interface RowReader {
  row(fields: readonly string[]): Wrong | undefined
  end(): Trace
}

interface Wrong {
  /** Index of the field; the end of the line when a field is missing. */
  readonly field: number
  readonly message: string
}

const requestColumns = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] as const
const machineColumns = ["vm_sku", "region", "vm_id", "date"] as const
const headExpected = `expected the first line ${requestColumns.join(",")} or ${machineColumns.join(",")},…`

/** Reads a recording from pieces of its text. O(length); stops at the first mistake. */
export async function readTrace(
  file: string,
  pieces: AsyncIterable<string> | Iterable<string>,
): Promise<Result<Trace, ConfigProblem>> {
  let reader: RowReader | undefined
  let columns: readonly string[] = []
  let line = 0
  let rows = 0
  const problem = (column: number, path: string, message: string, found?: string): ConfigProblem => {
    return { place: file, line, column, path, message, found }
  }
  const take = (text: string): ConfigProblem | undefined => {
    line++
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text
    if (whole.length > lineCharactersMax) {
      return problem(1, "", `expected at most ${lineCharactersMax} characters in a line`)
    }
    const quote = whole.indexOf('"')
    if (quote !== -1) return problem(quote + 1, "", "quoted fields are no part of this format")
    const fields = whole.split(",")
    if (reader === undefined) {
      columns = fields
      reader = readerFor(file, fields)
      return reader === undefined ? problem(1, "", headExpected, shown(whole)) : undefined
    }
    if (++rows > traceRowsMax) return problem(1, "", `expected at most ${traceRowsMax} rows`)
    if (fields.length !== columns.length) {
      const message = `expected ${columns.length} fields`
      return problem(
        columnOf(fields, Math.min(fields.length, columns.length)),
        "",
        message,
        String(fields.length),
      )
    }
    const wrong = reader.row(fields)
    if (wrong === undefined) return undefined
    const { field, message } = wrong
    return problem(columnOf(fields, field), columns[field]!, message, shown(fields[field]))
  }

  let rest = ""
  for await (const piece of pieces) {
    const lines = (rest + (line === 0 && rest === "" ? piece.replace(/^\uFEFF/, "") : piece)).split("\n")
    rest = lines.pop()!
    for (const text of lines) {
      const wrong = take(text)
      if (wrong !== undefined) return fail(wrong)
    }
    if (rest.length > lineCharactersMax) break
  }
  const wrong = rest === "" ? undefined : take(rest)
  if (wrong !== undefined) return fail(wrong)
  if (reader === undefined || rows === 0) {
    return fail({
      place: file,
      line: line + 1,
      column: 1,
      path: "",
      message: "there is no row",
      found: undefined,
    })
  }
  return ok(reader.end())
}

/** Where a field begins, from 1. */
function columnOf(fields: readonly string[], index: number): number {
  return fields.slice(0, index).reduce((at, { length }) => at + length + 1, 1)
}

function readerFor(file: string, head: readonly string[]): RowReader | undefined {
  if (head.join() === requestColumns.join()) return requestReader(file)
  const isMachines = machineColumns.every((name, index) => head[index] === name)
  return isMachines && head.length > machineColumns.length ? machineReader(file, head) : undefined
}

function requestReader(file: string): RowReader {
  const at: number[] = []
  const context: number[] = []
  const generated: number[] = []
  return {
    row(fields) {
      const ms = timestamp(fields[0]!)
      if (ms === undefined) return { field: 0, message: "expected a time like 2023-11-16 18:17:03.9799600" }
      for (const field of [1, 2] as const) {
        const tokens = /^[0-9]{1,10}(\.0)?$/.test(fields[field]!) ? Number(fields[field]) : Infinity
        if (!(tokens <= tokensMax)) return { field, message: `expected an integer from 0 to ${tokensMax}` }
        const column = field === 1 ? context : generated
        column.push(tokens)
      }
      at.push(ms)
      return undefined
    },
    end: () => ({ kind: "requests", file, at, context, generated }),
  }
}

function machineReader(file: string, head: readonly string[]): RowReader {
  const machines: Machine[] = []
  return {
    row(fields) {
      const [sku = "", region = "", id = ""] = fields
      for (const [field, text] of [sku, region, id].entries()) {
        if (!/^[A-Za-z0-9._-]{1,64}$/.test(text)) return { field, message: "expected a name" }
      }
      const amounts: number[] = []
      for (let field = machineColumns.length; field < fields.length; field++) {
        const text = fields[field]!
        const amount = /^[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,2})?$/i.test(text) ? Number(text) : Number.NaN
        if (!(amount > 0 && amount <= throughputMax)) {
          return { field, message: `expected a number above 0, up to ${throughputMax}` }
        }
        amounts.push(amount)
      }
      machines.push({ sku, region, id, amounts })
      return undefined
    },
    end: () => ({ kind: "machines", file, measures: head.slice(machineColumns.length), machines }),
  }
}

const timestampForm = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:Z|([+-])(\d\d):(\d\d))?$/

/** Milliseconds since 1970, with the fraction that was written; UTC where no offset is. */
function timestamp(text: string): number | undefined {
  const match = timestampForm.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const whole = (((dayOf(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000
  const [fraction, sign, hours, minutes] = match.slice(7)
  const offset = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * 60_000
  return whole + Number(fraction ?? 0) * 1_000 - (sign === "-" ? -offset : offset)
}

/** In the Gregorian calendar. */
function daysIn(year: number, month: number): number {
  return month === 12 ? 31 : dayOf(year, month + 1, 1) - dayOf(year, month, 1)
}

/**
 * Days since 1 January 1970. Years count from March, so that the day that leap years have more is their last.
 *
 * @see Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
function dayOf(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - daysBefore1970
}

/** From 1 March of the year 0. */
const daysBefore1970 = 719_468
