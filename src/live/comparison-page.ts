/** A comparison as one page that needs nothing from elsewhere, its figure as a file, the numbers as JSON. */
import { duration, percent, rate } from "../text/human.ts"
import { pageOf } from "../sim/report/report-page.ts"
import type { Axis } from "../sim/report/axis.ts"
import { escapeXml, type Line, linePlot, type Mark, standalone } from "../sim/report/svg.ts"
import { agrees, compared, type Comparison, type ComparedRun, objective, type Side } from "./comparison.ts"
import { carriedText, shownSpeed } from "./comparison-text.ts"

/** Files by name. */
export function comparisonFiles(comparison: Comparison): ReadonlyMap<string, string> {
  const figure = comparisonFigure(comparison)
  return new Map([
    ["report.html", page(comparison, figure)],
    ["results.json", `${JSON.stringify(comparison, undefined, 2)}\n`],
    ["latency.svg", standalone(figure)],
  ])
}

/** p99 against load: what was measured as points, what was simulated as lines. */
export function comparisonFigure({ bounds, loads, p99Max, policies, runs, scenario }: Comparison): string {
  const all = runs.flatMap(({ live, simulated }) => [live.p99Served, simulated.p99Served]).filter(isTime)
  const least = Math.min(p99Max / objective, ...all)
  const y: Axis = {
    label: "p99 of latency, in the scenario's time",
    min: least / 1.4,
    // Far above any acceptable value it does not matter how far.
    max: Math.max(p99Max * 2, Math.min(Math.max(...all, 0) * 1.2, p99Max * 20)),
    scale: "log",
    format: duration,
  }
  const x: Axis = {
    label: "load, as a share of θ*",
    min: Math.max(0, Math.min(0.5, loads[0]!) - 0.02),
    max: Math.max(1, loads.at(-1)!) + 0.02,
    scale: "linear",
    format: (value) => value.toFixed(1),
  }
  const lineOf = (policy: string, style: number, side: "live" | "simulated"): Line => ({
    name: `${policy}, ${side}`,
    style,
    isStrong: side === "live",
    draws: side === "live" ? "points" : "line",
    points: runs
      .filter((run) => run.policy === policy)
      .map((run) => ({ x: run.load, y: run[side].p99Served })),
  })
  const marks: Mark[] = [
    { axis: "x", at: 1, label: "θ* 1.00" },
    { axis: "y", at: p99Max, label: `twice the unloaded p99, ${duration(p99Max)}` },
  ]
  if (bounds.classBlindCeiling < 0.995) {
    const label = `class-blind ceiling ${bounds.classBlindCeiling.toFixed(2)}`
    marks.push({ axis: "x", at: bounds.classBlindCeiling, label })
  }
  return linePlot({
    title: `${scenario}: p99 of latency against load, measured with real processes and simulated, by policy`,
    x,
    y,
    lines: policies.flatMap((policy, style) => [
      lineOf(policy, style, "live"),
      lineOf(policy, style, "simulated"),
    ]),
    marks,
  })
}

function isTime(ms: number): boolean {
  return ms > 0 && ms < Infinity
}

function page(comparison: Comparison, figure: string): string {
  const { bounds, command, p99Max, remarks, runs, scenario, speed, summary } = comparison
  const warnings = runs.flatMap(({ policy, load, warnings: all }) =>
    all.map((warning) => `${policy} at ${load}: ${warning}`),
  )
  const notes = [...remarks, ...warnings].map((text) => `<li>${escapeXml(text)}</li>`).join("")
  return pageOf(
    `${scenario}, live and simulated`,
    `<header>
<p class="over">Linebacker · played live</p>
<h1>${escapeXml(scenario)}</h1>
<p class="lead">${escapeXml(summary)}</p>
<dl class="facts">
<div><dt>θ*</dt><dd>${rate(bounds.thetaStar)}/s</dd><dd class="small">requests per second that any policy can carry at most</dd></div>
<div><dt>speed</dt><dd>${shownSpeed(speed)}</dd><dd class="small">so ${rate(bounds.thetaStar * speed)}/s were sent at load 1</dd></div>
<div><dt>p99 may be</dt><dd>${duration(p99Max)}</dd><dd class="small">twice that of an empty fleet</dd></div>
</dl>
</header>
<main>
<figure>${figure}<figcaption>Points: a balancer and a process for each backend, loaded over HTTP. Lines: the simulator, with the same
policies, requests and seed. Times are those of the scenario.</figcaption></figure>
<section><h2>Carried within the objective</h2>
<div class="wide"><table><thead><tr><th scope="col">policy</th><th scope="col">live</th><th scope="col">simulated</th></tr></thead>
<tbody>${carriedRows(comparison)}</tbody></table></div></section>
<section><h2>All runs</h2>
<p>± is by how much live and simulated may differ: the spread that chance alone makes, and what sockets and timers add
to each request. Rows beyond it are pale.</p>
<div class="wide"><table><thead><tr><th scope="col">policy</th><th scope="col">load</th><th scope="col">requests</th>
<th scope="col">failed</th>${compared.map((key) => `<th scope="col">${key}, live</th><th scope="col">simulated</th><th scope="col">±</th>`).join("")}</tr></thead>
<tbody>${runs.map(runRow).join("\n")}</tbody></table></div></section>
<section><h2>Where each class went</h2>
${runs
  .filter(({ load }) => load === topLoad(comparison))
  .map(sharesTable)
  .join("\n")}</section>
${notes === "" ? "" : `<section><h2>Beware</h2><ul>${notes}</ul></section>`}
<section><h2>To repeat it</h2><pre>${escapeXml(command)}</pre>
<p class="small">What is simulated is the same again, to the last digit; what is measured is not. The numbers are in <code>results.json</code> beside this page.</p></section>
</main>`,
  )
}

function carriedRows({ carried, loads }: Comparison): string {
  return Object.entries(carried)
    .map(
      ([policy, { live, simulated }]) =>
        `<tr><th scope="row">${escapeXml(policy)}</th><td>${carriedText(live, loads)}</td><td>${carriedText(simulated, loads)}</td></tr>`,
    )
    .join("")
}

/** The highest load of all policies. */
function topLoad({ runs }: Comparison): number {
  return Math.max(...runs.map(({ load }) => load))
}

function runRow(run: ComparedRun): string {
  const { live, load, policy, simulated, tolerance } = run
  const isBad = !compared.every((key) => agrees(run, key))
  const cells = compared.map((key) => {
    return `<td>${duration(live[key])}</td><td>${duration(simulated[key])}</td><td class="soft">${duration(tolerance[key])}</td>`
  })
  return `<tr${isBad ? ' class="bad"' : ""}><th scope="row">${escapeXml(policy)}</th><td>${load}</td><td>${live.requests}</td><td>${live.failed}</td>${cells.join("")}</tr>`
}

function share(side: Side, name: string, group: string): string {
  return percent(side.shares[name]?.[group] ?? 0)
}

function sharesTable({ live, load, policy, simulated }: ComparedRun): string {
  const groups = Object.keys(Object.values(live.shares)[0] ?? {}).slice(0, 16)
  const rows = Object.keys(live.shares).map((name) => {
    const row = groups.map(
      (group) => `<td>${share(live, name, group)}</td><td class="soft">${share(simulated, name, group)}</td>`,
    )
    return `<tr><th scope="row">${escapeXml(name)}</th>${row.join("")}</tr>`
  })
  const head = groups.map((group) => `<th scope="col">${escapeXml(group)}</th><th scope="col">simulated</th>`)
  return `<h3>${escapeXml(policy)} at ${load}</h3><div class="wide"><table><thead><tr><th scope="col">class</th>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`
}
