/** The tables of docs/spam.md and docs/choosing-measurements.md that show a scenario played live beside the simulator. */
import { agrees, compared, type Comparison } from "../src/live/comparison.ts"
import { carriedText, shownSpeed } from "../src/live/comparison-text.ts"
import { duration } from "../src/text/human.ts"

/** From its JSON, in which what has no end is null. */
export function readComparison(json: string): Comparison {
  return JSON.parse(json, (_, value: unknown) => value ?? Infinity) as Comparison
}

/** Markdown: how much each policy carried. */
export function carriedTable({ carried, loads }: Comparison): string {
  const rows = Object.entries(carried).map(
    ([policy, { live, simulated }]) =>
      `| \`${policy}\` | ${carriedText(live, loads)} | ${carriedText(simulated, loads)} |`,
  )
  return ["| policy | carried live | carried in the simulator |", "| --- | ---: | ---: |", ...rows].join("\n")
}

/** Markdown: how much each policy carried, then every run, then how it was measured. */
export function liveTable(comparison: Comparison): string {
  const { command, runs, scenario, seed, speed } = comparison
  const runRows = runs.map((run) => {
    const { live, load, policy, simulated, tolerance } = run
    const times = compared.map((key) => {
      return `${duration(live[key])} | ${duration(simulated[key])} ± ${duration(tolerance[key])}`
    })
    const isWithin = compared.every((key) => agrees(run, key))
    return `| \`${policy}\` | ${load} | ${live.failed} | ${times.join(" | ")} | ${isWithin ? "yes" : "no"} |`
  })
  return [
    carriedTable(comparison),
    "",
    `| policy | load | failed | ${compared.map((key) => `${key}, live | simulated`).join(" | ")} | agree |`,
    `| --- | ---: | ---: | ${compared.map(() => "---: | ---:").join(" | ")} | --- |`,
    ...runRows,
    "",
    `\`${command}\`: the scenario ${scenario} at ${shownSpeed(speed)} its speed, seed ${seed}, times in the scenario's.`,
  ].join("\n")
}
