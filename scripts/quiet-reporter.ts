/**
 * What `npm test` prints of the tests: each failure with its file and line, each reason to skip with how often, a line
 * for a file that has taken long, and the totals in the words of Node.js's own reporter. A run without faults is a
 * dozen lines.
 */
import { relative } from "node:path"
import type { TestEvent } from "node:test/reporters"
import { inspect } from "node:util"

/** A test that takes longer is named, ms. */
const longMs = 30_000
const root = process.cwd()

export default async function* quiet(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped = new Map<string, number>()
  /** The suites and the test that have begun last, the outermost first: files are told one after the other. */
  const path: string[] = []
  for await (const event of events) {
    if (event.type === "test:start") {
      path.splice(event.data.nesting, Infinity, event.data.name)
    } else if (event.type === "test:fail") {
      const { name, nesting, details } = event.data
      // A suite or a file fails with what is in it, which has been said.
      if (failureTypeOf(details.error) !== "subtestsFailed") {
        yield failureText(event.data, [...path.slice(0, nesting), name].join(" › "))
      }
    } else if (event.type === "test:pass") {
      const { details, name, skip, file, line } = event.data
      if (skip !== undefined && skip !== false) {
        const reason = skip === true || skip === "" ? `without a reason: ${placeOf(file, line)}` : skip
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
      }
      if (details.type !== "suite" && details.duration_ms > longMs) {
        yield `${placeOf(file, line)}: ${name}: took ${Math.round(details.duration_ms / 1_000)} s\n`
      }
    } else if (event.type === "test:stderr") {
      yield event.data.message
    } else if (
      event.type === "test:diagnostic" &&
      event.data.nesting === 0 &&
      event.data.file === undefined
    ) {
      yield `ℹ ${event.data.message}\n`
    }
  }
  for (const [reason, count] of skipped) yield `skipped ${count}: ${reason}\n`
}

function failureText(
  { file, line, details }: Extract<TestEvent, { type: "test:fail" }>["data"],
  name: string,
): string {
  const { error } = details
  const cause: unknown = error.cause instanceof Error ? error.cause : (error.cause ?? error.message)
  const text = typeof cause === "string" ? cause : inspect(cause, { depth: 6 })
  return `\n✖ ${placeOf(file, line)}: ${name}\n  ${text.replaceAll("\n", "\n  ")}\n\n`
}

/** Why it failed, in Node.js's words; its types leave this out. */
function failureTypeOf(error: Error): unknown {
  return (error as { readonly failureType?: unknown }).failureType
}

function placeOf(file: string | undefined, line: number | undefined): string {
  return file === undefined ? "(no file)" : `${relative(root, file)}:${line ?? 1}`
}
