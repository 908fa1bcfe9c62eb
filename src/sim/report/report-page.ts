import { type Figure, isServed, topLoad } from "./figures.ts"
import { amount, count, duration, percent, plural, rate } from "../../text/human.ts"
import { meanOf } from "../scenario/mean-of.ts"
import type { Provenance, Rehearsal } from "./rehearsal.ts"
import { writeScenario } from "../scenario/scenario-file.ts"
import { escapeXml, plotCss } from "./svg.ts"

/**
 * A page with the look of all reports, that needs nothing from elsewhere. It holds no script and forbids any.
 *
 * @param body HTML; what stands in it from outside must have been escaped.
 */
export function pageOf(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(title)} · Linebacker</title>
<style>${pageCss}
${plotCss}</style>
</head>
<body>
${body}
</body>
</html>
`
}

/** One page that needs nothing from elsewhere; all text from outside is escaped. */
export function reportPage(rehearsal: Rehearsal, provenance: Provenance, figures: readonly Figure[]): string {
  const { scenario } = rehearsal
  const { versions, command } = provenance
  const main = figures.filter(({ name }) => !name.startsWith("routing-"))
  const routing = figures.filter(({ name }) => name.startsWith("routing-"))
  return pageOf(
    scenario.name,
    `<header>
<p class="over">Linebacker · rehearsal</p>
<h1>${escapeXml(scenario.name)}</h1>
<p class="lead">${escapeXml(scenario.summary)}</p>
${facts(rehearsal)}
${verdict(rehearsal)}
</header>
<main>
${main.map(figureOf).join("\n")}
${routing.length === 0 ? "" : routingSection(rehearsal, routing)}
${tables(rehearsal)}
${learnedTable(rehearsal)}
${fleetTable(rehearsal)}
${excluded(provenance)}
<section>
<h2>To repeat it</h2>
<p>The same command, version and seed give the same numbers, to the last digit.</p>
<pre>${escapeXml(command)}</pre>
<p class="small">Linebacker ${escapeXml(versions.linebacker)}, Node.js ${escapeXml(versions.node)}, seed ${rehearsal.seed}. The numbers are in <code>results.json</code> beside this page.</p>
<details><summary>The scenario</summary><pre>${escapeXml(writeScenario(scenario))}</pre></details>
</section>
</main>`,
  )
}

function facts(rehearsal: Rehearsal): string {
  const { scenario, bounds, balancers, seed } = rehearsal
  const backends = scenario.backends.reduce((sum, { count }) => sum + count, 0)
  const tiles: readonly (readonly [string, string, string])[] = [
    ["θ*", `${rate(bounds.thetaStar)}/s`, "requests per second that any policy can carry at most"],
    [
      "class-blind ceiling",
      bounds.classBlindCeiling.toFixed(2),
      "of θ*, for policies that do not look at the request",
    ],
    ["fleet", String(backends), `backends in ${plural(scenario.backends.length, "group")}`],
    ["balancers", String(balancers), balancers === 1 ? "sees everything" : "that exchange nothing"],
    [
      "requests",
      count(scenario.requests),
      `per run, ${percent(scenario.warmUp)} of them warm-up; seed ${seed}`,
    ],
  ]
  const items = tiles.map(
    ([name, value, about]) =>
      `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd><dd class="small">${escapeXml(about)}</dd></div>`,
  )
  return `<dl class="facts">${items.join("")}</dl>`
}

/** What the numbers say, in sentences; no more than they say. */
function verdict(rehearsal: Rehearsal): string {
  const { bounds, capacity, runs } = rehearsal
  const sentences: string[] = []
  const ceiling = bounds.classBlindCeiling
  sentences.push(
    ceiling < 0.995
      ? `A policy that sends every backend the same mix of requests is overloaded from ${ceiling.toFixed(2)} of θ* on; there is up to ${(1 / ceiling).toFixed(2)} times as much to gain here by looking at what requests need.`
      : "Here no policy can carry more by looking at what requests need; it can only reduce delay.",
  )
  const best = Object.entries(capacity?.policies ?? {}).sort(([, a], [, b]) => b.share - a.share)[0]
  if (best !== undefined) {
    const [name, { share, low, high }] = best
    sentences.push(
      `Most within the objective carries ${name}: ${share.toFixed(3)} of θ* (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}).`,
    )
  }
  const load = topLoad(rehearsal)
  const served = runs.filter((run) => run.load === load && isServed(run)).sort((a, b) => a.p99 - b.p99)
  const [first] = served
  const last = served.at(-1)
  if (first !== undefined && last !== undefined && first !== last) {
    sentences.push(
      `At load ${load} p99 is least with ${first.policy}, ${duration(first.p99)}, and most with ${last.policy}, ${duration(last.p99)}.`,
    )
  }
  const losing = runs.filter((run) => run.load === load && !isServed(run)).map(({ policy }) => policy)
  if (losing.length > 0) {
    sentences.push(`At that load requests were lost or not finished by ${losing.join(", ")}.`)
  }
  return `<p class="verdict">${escapeXml(sentences.join(" "))}</p>`
}

function figureOf({ svg, caption }: Figure): string {
  return `<figure>${svg}<figcaption>${escapeXml(caption)}</figcaption></figure>`
}

function routingSection(rehearsal: Rehearsal, figures: readonly Figure[]): string {
  const cells = figures.map(
    ({ svg, caption }) =>
      `<figure><figcaption class="name">${escapeXml(caption)}</figcaption>${svg}</figure>`,
  )
  return `<section><h2>Where each class of requests went</h2>
<p>One bar a class, divided by the group of backends that its requests went to, at load ${topLoad(rehearsal)}. Bars that are all alike are those of a policy that does not look.</p>
<div class="grid">${cells.join("\n")}</div></section>`
}

function tables({ runs, policies, scenario }: Rehearsal): string {
  const loads = [...new Set(runs.map(({ load }) => load))].sort((a, b) => a - b)
  if (loads.length === 0) return ""
  const resources = scenario.resources.map(({ name }) => name)
  const head = [
    "policy",
    "mean",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "slowdown",
    ...resources,
    "evenness",
    "queued",
    "tries",
    "lost",
  ]
  const bodies = loads.toReversed().map((load, index) => {
    const of = policies.flatMap(
      ({ name }) => runs.find((run) => run.policy === name && run.load === load) ?? [],
    )
    const least = Math.min(...of.filter(isServed).map(({ p99 }) => p99))
    const rows = of.map((run) => {
      const lost = run.requests - run.completed
      const cells = [
        duration(run.mean),
        duration(run.p50),
        duration(run.p90),
        duration(run.p99),
        duration(run.p999),
        run.slowdown.toFixed(2),
        ...resources.map((name) => percent(run.utilization[name] ?? 0)),
        run.fairness.toFixed(2),
        count(run.queued),
        run.attempts.toFixed(3),
        lost === 0 ? "0" : count(lost),
      ]
      const type = isServed(run) ? (run.p99 === least ? ' class="best"' : "") : ' class="bad"'
      return `<tr${type}><th scope="row">${escapeXml(run.policy)}</th>${cells.map((cell) => `<td>${escapeXml(cell)}</td>`).join("")}</tr>`
    })
    return `<details${index === 0 ? " open" : ""}><summary>Load ${load}</summary><div class="wide"><table>
<thead><tr>${head.map((name) => `<th scope="col">${escapeXml(name)}</th>`).join("")}</tr></thead>
<tbody>${rows.join("\n")}</tbody></table></div></details>`
  })
  return `<section><h2>Numbers</h2>
<p>Latency from arrival to end. Slowdown: latency over what the request would have taken alone. Evenness: Jain's index of the backends' fullest resources, 1 is even. Tries: attempts per request. Lost: requests that ended with an error or not at all.</p>
${bodies.join("\n")}</section>`
}

/** What the first policy that looks had learned of the classes, beside the truth. */
function learnedTable(rehearsal: Rehearsal): string {
  const { scenario, runs } = rehearsal
  const load = topLoad(rehearsal)
  const run = runs.find(
    (each) => each.load === load && each.classes.some(({ learned }) => learned !== undefined),
  )
  if (run === undefined) return ""
  const names = scenario.resources.map(({ name }) => name)
  const rows = run.classes.map(({ name, learned }) => {
    const truth = scenario.classes.find((each) => each.name === name)
    const cells = names.map((resource) => {
      const real = meanOf(truth?.demand[resource])
      return `<td>${amount(learned?.[resource] ?? Number.NaN)}</td><td class="soft">${amount(real)}</td>`
    })
    return `<tr><th scope="row">${escapeXml(name)}</th>${cells.join("")}</tr>`
  })
  const head = names.map(
    (name) => `<th scope="col">${escapeXml(name)}, learned</th><th scope="col">true mean</th>`,
  )
  return `<section><h2>What was learned of demand</h2>
<p>By the first balancer at the end of the run of ${escapeXml(run.policy)} at load ${load}.</p>
<div class="wide"><table><thead><tr><th scope="col">class</th>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div></section>`
}

function fleetTable({ scenario, bounds }: Rehearsal): string {
  const names = scenario.resources.map(({ name }) => name)
  const rows = scenario.backends.slice(0, 64).map((group, index) => {
    const cells = names.map((name) => {
      const price = bounds.prices[index]?.[name] ?? 0
      const gain = price > 1e-9 ? `+${amount(price)}/s` : "idle"
      return `<td>${amount(group.capacity[name] ?? 0)}</td><td class="soft">${gain}</td>`
    })
    return `<tr><th scope="row">${escapeXml(group.name)}</th><td>${group.count}</td>${cells.join("")}</tr>`
  })
  const more =
    scenario.backends.length > 64 ? `<p class="small">And ${scenario.backends.length - 64} more.</p>` : ""
  const head = names.map(
    (name) => `<th scope="col">${escapeXml(name)}</th><th scope="col">one more brings</th>`,
  )
  return `<section><h2>The fleet, and what more of it would bring</h2>
<p>What one more unit of a resource in a group would add to θ*, requests per second: where to buy next. Idle is what is left over at the bound.</p>
<div class="wide"><table><thead><tr><th scope="col">group</th><th scope="col">count</th>${head.join("")}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>${more}</section>`
}

function excluded({ excluded }: Provenance): string {
  if (excluded.length === 0) return ""
  const items = excluded.map(({ policy, reason }) => `<li>${escapeXml(policy)}: ${escapeXml(reason)}</li>`)
  return `<section><h2>Policies that did not take part</h2><ul>${items.join("")}</ul></section>`
}

const pageCss = `
:root{--ink:#1c2430;--soft:#5b6675;--rule:#e3e7ec;--ground:#fff;--card:#f6f8fa;--accent:#0b62d6}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#9aa7b8;--rule:#2b333f;--ground:#12171e;--card:#1a212b;--accent:#6aa9ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:66rem;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:2.3rem;line-height:1.15;margin:.1rem 0 .5rem;letter-spacing:-.02em}
h2{font-size:1.3rem;margin:3rem 0 .4rem;letter-spacing:-.01em}
.over{margin:0;color:var(--accent);font-weight:600;font-size:.85rem;letter-spacing:.04em}
.lead{font-size:1.15rem;color:var(--soft);margin:0 0 1.5rem;max-width:46rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:0}
.facts div{background:var(--card);border-radius:.6rem;padding:.75rem .9rem}
.facts dt{color:var(--soft);font-size:.8rem}
.facts dd{margin:0;font-size:1.45rem;font-weight:650;font-variant-numeric:tabular-nums}
.facts dd.small,.small{font-size:.8rem;font-weight:400;color:var(--soft);line-height:1.35}
.verdict{border-left:3px solid var(--accent);padding:.1rem 0 .1rem 1rem;margin:1.6rem 0 0;max-width:48rem}
figure{margin:2.2rem 0 0}
figure svg{width:100%;height:auto;display:block}
figcaption{color:var(--soft);font-size:.9rem;max-width:48rem;margin-top:.4rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem 2rem}
.grid figure{margin:.8rem 0 0}
.grid .name{color:var(--ink);font-weight:600;margin:0 0 .2rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.82rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.3rem .45rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child{text-align:left}
thead th{color:var(--soft);font-weight:500}
tbody th{font-weight:600}
td.soft{color:var(--soft)}
tr.best td,tr.best th{color:var(--accent)}
tr.bad{opacity:.55}
details{margin:.7rem 0}
summary{cursor:pointer;font-weight:600}
pre{background:var(--card);border-radius:.6rem;padding:.9rem 1rem;overflow-x:auto;font-size:.85rem}
@media (max-width:40rem){.grid{grid-template-columns:1fr}}
`.trim()
