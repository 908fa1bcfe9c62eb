/**
 * A rehearsal for people: one page that needs nothing from elsewhere, its figures as files, the numbers as JSON.
 *
 * The same rehearsal gives the same bytes.
 */

import { reportFigures } from "./figures.ts"
import type { Provenance, Rehearsal } from "./rehearsal.ts"
import { reportPage } from "./report-page.ts"
import { standalone } from "./svg.ts"

/** Files by name, relative to the report's folder. */
export type ReportFiles = ReadonlyMap<string, string>

/** The files of the report of a rehearsal, by name. */
export function reportFiles(rehearsal: Rehearsal, provenance: Provenance): ReportFiles {
  const figures = reportFigures(rehearsal)
  const files = new Map<string, string>([
    ["report.html", reportPage(rehearsal, provenance, figures)],
    ["results.json", `${JSON.stringify({ ...provenance, ...withoutRecording(rehearsal) }, undefined, 2)}\n`],
  ])
  for (const { name, svg } of figures) files.set(`${name}.svg`, standalone(svg))
  return files
}

/** Recorded requests are not the report's to hand on. */
function withoutRecording(rehearsal: Rehearsal): object {
  const { arrivals } = rehearsal.scenario
  if (arrivals.kind !== "trace") return rehearsal
  const scenario = { ...rehearsal.scenario, arrivals: { kind: "trace", requests: arrivals.requests.length } }
  return { ...rehearsal, scenario }
}
