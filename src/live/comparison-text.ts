/** A comparison of live and simulated as text for a person. */
import { aligned } from "../text/aligned.ts"
import { duration, percent } from "../text/human.ts"
import { agrees, type Carried, compared, type Comparison, type ComparedRun } from "./comparison.ts"

/** Several paragraphs that end in a line break. */
export function comparisonText(comparison: Comparison): string {
  const { bounds, p99Max, remarks, runs, scenario, seed, speed, summary } = comparison
  const intro =
    `${scenario}: ${summary}\n` +
    `θ* is ${bounds.thetaStar.toPrecision(4)} requests/s; played ${shownSpeed(speed)} as fast, ` +
    `so ${(bounds.thetaStar * speed).toPrecision(4)}/s at load 1. Seed ${seed}. Times are the scenario's.\n`
  const parts = [
    intro,
    aligned([
      [
        "Policy",
        "load",
        "requests",
        "failed",
        "",
        ...compared.flatMap((key) => [`${key}, live`, "simulated", "±"]),
      ],
      ...runs.map(runRow),
    ]),
    "* beyond the tolerance.\n",
    aligned([
      ["Largest load with p99", "live", "simulated"],
      ...Object.entries(comparison.carried).map(([policy, { live, simulated }]) => [
        policy,
        carriedText(live, comparison.loads),
        carriedText(simulated, comparison.loads),
      ]),
    ]) +
      `p99 within ${duration(p99Max)}, twice the unloaded one; shares of θ*, between the loads that were run. ` +
      `A policy that does not look at the request cannot pass ${bounds.classBlindCeiling.toFixed(2)}.\n`,
  ]
  if (runs.length === comparison.policies.length) parts.push(...runs.map(sharesText))
  for (const remark of [...remarks, ...new Set(runs.flatMap(beware))]) parts.push(`Beware: ${remark}.\n`)
  return parts.join("\n")
}

function beware({ policy, load, warnings }: ComparedRun): string[] {
  return warnings.map((warning) => `${policy} at ${load}: ${warning.replace(/\.$/, "")}`)
}

function runRow(run: ComparedRun): string[] {
  const { live, load, policy, simulated, tolerance } = run
  return [
    policy,
    String(load),
    String(live.requests),
    live.failed === 0 && simulated.failed === 0 ? "0" : `${live.failed} | ${Math.round(simulated.failed)}`,
    compared.every((key) => agrees(run, key)) ? "" : "*",
    ...compared.flatMap((key) => [duration(live[key]), duration(simulated[key]), duration(tolerance[key])]),
  ]
}

/** Where each class went, live and simulated. */
function sharesText({ live, load, policy, simulated }: ComparedRun): string {
  const rows = Object.entries(live.shares)
  const groups = Object.keys(rows[0]?.[1] ?? {}).slice(0, 8)
  return aligned([
    [`${policy} at ${load}`, ...groups.flatMap((group) => [group, "simulated"])],
    ...rows.map(([name, row]) =>
      [name].concat(
        groups.flatMap((group) => [percent(row[group] ?? 0), percent(simulated.shares[name]?.[group] ?? 0)]),
      ),
    ),
  ])
}

/** `0.93`, `above 0.9` where every load was carried, `below 0.3` where none was. */
export function carriedText({ isOpen, share }: Carried, loads: readonly number[]): string {
  if (share === undefined) return `below ${loads[0]}`
  return isOpen ? `above ${share}` : share.toFixed(2)
}

export function shownSpeed(speed: number): string {
  return `${Number(speed.toPrecision(3))} times`
}
