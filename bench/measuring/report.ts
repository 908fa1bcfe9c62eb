/** What was found, as tables for a terminal and for Markdown. */

/** One table: of a scenario at one number of connections, or of something that is counted only once. */
export interface Finding {
  /** The scenario; in a document it goes between the markers of that name. */
  readonly name: string
  readonly title: string
  readonly head: readonly string[]
  /** A row of two cells is a peer with a remark in place of figures. */
  readonly rows: readonly (readonly string[])[]
  /** Peers that did not take part and why, and what else a reader must know. */
  readonly remarks: readonly string[]
  readonly isValid: boolean
  /** Everything that was measured. */
  readonly data: unknown
}

export function textOf({ title, head, rows, remarks }: Finding): string {
  const widths = head.map((name, c) =>
    Math.max(name.length, ...rows.map((row) => (row.length === 2 && c === 1 ? 0 : (row[c]?.length ?? 0)))),
  )
  const lines = [head, ...rows].map((row) =>
    row
      // Words to the left, figures to the right, remarks over everything.
      .map((cell, c) =>
        row.length === 2 || isWords(rows, c) ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!),
      )
      .join("  ")
      .trimEnd(),
  )
  return [title, ...lines, ...remarks].join("\n")
}

export function markdownOf({ title, head, rows, remarks }: Finding): string {
  const filled = rows.map((row) => head.map((_, c) => row[c] ?? ""))
  const table = [head, head.map((_, c) => (isWords(rows, c) ? "---" : "--:")), ...filled]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n")
  return [`**${title}**`, table, ...remarks].join("\n\n")
}

/** Whether a column holds names rather than figures with their units. */
function isWords(rows: Finding["rows"], column: number): boolean {
  return column === 0 || rows.some((row) => row.length > 2 && /[a-z]{3}/.test(row[column] ?? ""))
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

/** The document with every finding in its place; those of one name share a place, in their order. */
export function withFindings(document: string, findings: readonly Finding[], below: string): string {
  const names = new Set(findings.map(({ name }) => name))
  let result = document
  for (const name of names) {
    const own = findings.filter((finding) => finding.name === name).map(markdownOf)
    result = withBlock(result, name, [...own, `<sub>${below}</sub>`].join("\n\n"))
  }
  return result
}
