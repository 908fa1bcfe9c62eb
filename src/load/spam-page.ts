/** A run of the load generator as one page that needs nothing from elsewhere, its figures as files, the numbers as JSON. */
import { duration, percent, plural, rate } from "../text/human.ts"
import { pageOf } from "../sim/report/report-page.ts"
import type { Axis } from "../sim/report/axis.ts"
import { barPlot, escapeXml, linePlot, standalone } from "../sim/report/svg.ts"
import type { LatencySummary, SpamResult } from "./result.ts"
import { summaryText } from "./summary.ts"
import type { Figure } from "../sim/report/figures.ts"

/** Files by name. `verdicts` are what was expected, as sentences. */
export function spamFiles(result: SpamResult, verdicts: readonly string[]): ReadonlyMap<string, string> {
  const figures = figuresOf(result)
  const files = new Map([
    ["report.html", page(result, verdicts, figures)],
    ["results.json", `${JSON.stringify(result, undefined, 2)}\n`],
  ])
  for (const { name, svg } of figures) files.set(`${name}.svg`, standalone(svg))
  return files
}

/** By percentile: of so many requests one is slower. Whole numbers, which 1 / (1 − 0.9999) is not. */
const oneIn = { p50: 2, p75: 4, p90: 10, p95: 20, p99: 100, p999: 1_000, p9999: 10_000 } as const

function figuresOf(result: SpamResult): Figure[] {
  const figures: Figure[] = []
  if (result.latency.fromIntended.count > 0) figures.push(percentileFigure(result))
  if (result.series.length > 1) figures.push(timeFigure(result), rateFigure(result))
  if (result.backends.length > 0) figures.push(backendFigure(result))
  return figures
}

/** Each percentile against how many requests in one are slower, which spreads the tail. */
function percentileFigure({ latency, mode, target }: SpamResult): Figure {
  const points = (summary: LatencySummary) =>
    Object.entries(oneIn).flatMap(([key, x]) => {
      const y = summary[key as keyof typeof oneIn]
      return y === undefined ? [] : [{ x, y: Math.max(y, 0.01) }]
    })
  const all = [...points(latency.fromIntended), ...points(latency.fromSent)].map(({ y }) => y)
  const lines = [
    { name: "from when it was due", points: points(latency.fromIntended), isStrong: true, style: 0 },
  ]
  const sent = { name: "from when it was sent", points: points(latency.fromSent), isStrong: false, style: 1 }
  return {
    name: "percentiles",
    svg: linePlot({
      title: `${target}: percentiles of latency`,
      x: {
        label: "slower is one request in",
        min: oneIn.p50,
        max: oneIn.p9999,
        scale: "log",
        format: (value) => String(Math.round(value)),
      },
      y: latencyAxis(all),
      lines: mode === "open" ? [...lines, sent] : [{ ...lines[0]!, name: "of a closed loop" }],
      marks: [],
    }),
    caption:
      mode === "open"
        ? "Latency that one request in 2, 10, 100, … exceeds. Where the two lines part, requests had to wait to be sent."
        : "Latency that one request in 2, 10, 100, … exceeds. A closed loop asks a stalled target less, and so hides stalls.",
  }
}

function timeFigure({ series, target }: SpamResult): Figure {
  const known = series.filter(({ p99 }) => p99 > 0)
  const lineOf = (key: "p50" | "p99", style: number) => ({
    name: key,
    style,
    isStrong: key === "p99",
    draws: "line" as const,
    points: series.map((slice) => ({ x: slice.atMs / 1_000, y: slice[key] > 0 ? slice[key] : NaN })),
  })
  return {
    name: "latency",
    svg: linePlot({
      title: `${target}: latency over time`,
      x: timeAxis(series),
      y: latencyAxis(known.flatMap(({ p50, p99 }) => [p50, p99])),
      lines: [lineOf("p99", 1), lineOf("p50", 0)],
      marks: [],
    }),
    caption: "Latency of the requests that were due in each stretch of time.",
  }
}

function rateFigure({ series, target, countedMs }: SpamResult): Figure {
  const widthMs = series.length > 1 ? series[1]!.atMs - series[0]!.atMs : countedMs
  // The last stretch is as a rule not a whole one.
  const whole = series.filter(({ atMs }) => atMs + widthMs <= countedMs + 1)
  const most = Math.max(1, ...whole.map(({ sent }) => sent))
  const lineOf = (key: "sent" | "answered" | "failed", style: number) => ({
    name: key === "answered" ? "with a response" : key,
    style,
    isStrong: key === "answered",
    draws: "line" as const,
    points: whole.map((slice) => ({ x: slice.atMs / 1_000, y: (slice[key] / widthMs) * 1_000 })),
  })
  return {
    name: "rate",
    svg: linePlot({
      title: `${target}: requests over time`,
      x: timeAxis(series),
      y: {
        label: "requests per second",
        min: 0,
        max: (most / widthMs) * 1_100,
        scale: "linear",
        format: rate,
      },
      lines: [lineOf("sent", 0), lineOf("answered", 2), lineOf("failed", 1)],
      marks: [],
    }),
    caption: "Requests by the time at which they were due.",
  }
}

function backendFigure({ backends, classes, fairness, target }: SpamResult): Figure {
  const shown = backends.slice(0, 64)
  return {
    name: "backends",
    svg: barPlot({
      title: `${target}: responses by backend`,
      x: {
        label: "part of all responses",
        min: 0,
        max: Math.max(...shown.map(({ share }) => share)) * 1.1,
        scale: "linear",
        format: percent,
      },
      rows: shown.map(({ id, share }) => ({
        label: id,
        isStrong: true,
        bars: [{ value: share, text: percent(share), style: 0 }],
      })),
      legend: [],
      marks: [],
    }),
    caption:
      `Responses by backend${classes.length > 1 ? ", all classes together" : ""}. ` +
      (fairness === undefined ? "" : `Jain's index is ${fairness.toFixed(3)}: 1 when all are equal.`),
  }
}

function latencyAxis(values: readonly number[]): Axis {
  const least = Math.min(...values, Infinity)
  const most = Math.max(...values, 0)
  return {
    label: "latency",
    min: least === Infinity ? 0.1 : least / 1.4,
    max: most === 0 ? 10 : Math.max(most * 1.4, least * 4),
    scale: "log",
    format: duration,
  }
}

function timeAxis(series: SpamResult["series"]): Axis {
  const label = "seconds from the end of the warm-up"
  return { label, min: 0, max: Math.max(1, series.at(-1)!.atMs / 1_000), scale: "linear", format: String }
}

function page(result: SpamResult, verdicts: readonly string[], figures: readonly Figure[]): string {
  const { generator, latency, mode, rate: rates, requests, target } = result
  const warnings = generator.warnings.map((warning) => `<li>${escapeXml(warning)}</li>`).join("")
  const held = verdicts.map((verdict) => `<li>${escapeXml(verdict)}</li>`).join("")
  return pageOf(
    target,
    `<header>
<p class="over">Linebacker · load</p>
<h1>${escapeXml(target)}</h1>
<p class="lead">${mode === "open" ? "Requests came by a schedule, whether earlier ones had their response or not." : `${plural(result.connections, "connection")}, each with a request at all times.`}</p>
<dl class="facts">
<div><dt>responses</dt><dd>${rate(rates.answered)}/s</dd><dd class="small">${rates.asked === undefined ? "as fast as they came" : `of ${rate(rates.asked)}/s that were meant`}</dd></div>
<div><dt>p50</dt><dd>${duration(latency.fromIntended.p50 ?? NaN)}</dd><dd class="small">from when it was due</dd></div>
<div><dt>p99</dt><dd>${duration(latency.fromIntended.p99 ?? NaN)}</dd><dd class="small">from when it was due</dd></div>
<div><dt>failed</dt><dd>${requests.failed}</dd><dd class="small">of ${requests.answered + requests.failed}</dd></div>
</dl>
</header>
<main>
${figures.map(({ svg, caption }) => `<figure>${svg}<figcaption>${escapeXml(caption)}</figcaption></figure>`).join("\n")}
${held === "" ? "" : `<section><h2>Expected</h2><ul>${held}</ul></section>`}
${warnings === "" ? "" : `<section><h2>Beware</h2><ul>${warnings}</ul></section>`}
<section><h2>All of it</h2><pre>${escapeXml(summaryText(result))}</pre>
<p class="small">The numbers are in <code>results.json</code> beside this page.</p></section>
</main>`,
  )
}
