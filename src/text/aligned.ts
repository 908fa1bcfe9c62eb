/**
 * Rows of cells as lines of text in columns as wide as their widest cell, two spaces between them. The first column
 * stands to the left, and so does the last where it holds `sentences`; the others, numbers mostly, to the right.
 *
 * @param rows at least one, all as long as the first.
 */
export function aligned(
  rows: readonly (readonly string[])[],
  last: "number" | "sentences" = "number",
): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isLeft = (column: number): boolean =>
    column === 0 || (last === "sentences" && column === widths.length - 1)
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (isLeft(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  )
  return `${lines.join("\n")}\n`
}
