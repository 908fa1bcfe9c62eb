import assert from "node:assert/strict"
import { test } from "node:test"
import type { Axis } from "./axis.ts"
import { barPlot, escapeXml, linePlot, plotCss, stackedPlot, standalone } from "./svg.ts"

const x: Axis = { label: "load", min: 0, max: 1, scale: "linear", format: String }
const y: Axis = { label: "p99", min: 1, max: 100, scale: "log", format: String }

function plot(points: readonly (readonly [number, number])[], name = "a"): string {
  const line = { name, style: 0, isStrong: false, points: points.map(([x, y]) => ({ x, y })) }
  return linePlot({ title: "t", x, y, lines: [line], marks: [] })
}

/** Where the curves of a line plot go, without those of the legend. */
function curves(svg: string): string[] {
  return [...svg.matchAll(/<path class="line[^"]*"[^>]* d="([^"]*L[^"]*)"/g)].map(([, d]) => d!)
}

/** A plot without lines, but for those of reference. */
function marked(...marks: number[]): string {
  return linePlot({
    title: "t",
    x,
    y,
    lines: [],
    marks: marks.map((at) => ({ axis: "x", at, label: `a long name at ${at}` })),
  })
}

/** How long the bar of this value is. */
function width(value: number): number {
  const bars = [{ value, text: "", style: 0 }]
  const svg = barPlot({ title: "t", x, rows: [{ label: "a", isStrong: true, bars }], legend: [], marks: [] })
  return Number(/fill" x="190" y="[\d.]+" width="([\d.]+)"/.exec(svg)?.[1])
}

test("equal factors are equal distances on a log axis", () => {
  const [d] = curves(
    plot([
      [0, 1],
      [0.5, 10],
      [1, 100],
    ]),
  )
  const heights = [...d!.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y))
  assert.equal(heights.length, 3)
  assert.ok(Math.abs(heights[0]! - heights[1]! - (heights[1]! - heights[2]!)) < 0.02, heights.join())
})

test("a point that rounding has put just beyond an edge is drawn there, and its line does not turn away", () => {
  const last = 1 / (1 - 0.9999)
  assert.ok(last > 10_000)
  const axis: Axis = { label: "one in", min: 2, max: 10_000, scale: "log", format: String }
  const points = [2, 100, last].map((at) => ({ x: at, y: 10 }))
  const lines = [{ name: "a", style: 0, isStrong: false, points }]
  const svg = linePlot({ title: "t", x: axis, y, lines, marks: [{ axis: "x", at: last, label: "last" }] })
  const [d] = curves(svg)
  assert.equal(new Set([...d!.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, height]) => height)).size, 1, d)
  // One more circle stands in the legend.
  assert.equal(svg.match(/<circle/g)?.length, 4)
  assert.match(svg, />last</)
})

test("a line that goes on beyond the right edge is cut there, on its way", () => {
  const [d] = curves(
    plot([
      [0.5, 10],
      [1.5, 10],
    ]),
  )
  assert.match(d!, /^M[\d.]+ ([\d.]+)L650 \1$/, "straight, to where the plot ends")
})

test("a line that leaves the plot is cut at its edge, and goes on where it comes back", () => {
  const gone = curves(
    plot([
      [0, 10],
      [0.5, 1_000],
      [1, 10],
    ]),
  )
  assert.equal(gone.length, 2)
  for (const d of gone) assert.match(d, / 46(L|$)/, "46 is the upper edge")
  assert.equal(
    curves(
      plot([
        [0, 10],
        [0.5, 20],
        [1, Infinity],
      ]),
    ).length,
    1,
  )
  assert.deepEqual(
    curves(
      plot([
        [0, Infinity],
        [1, Infinity],
      ]),
    ),
    [],
  )
})

test("a reference line outside of the axes is not drawn, and names that would overlap stand on two heights", () => {
  assert.ok(!marked(2).includes("a long name"))
  const heights = [...marked(0.5, 0.52).matchAll(/y="([\d.]+)"[^>]*>a long name/g)].map(([, y]) => y)
  assert.equal(new Set(heights).size, 2)
})

test("the parts of a stacked bar fill it, whatever they sum to", () => {
  const svg = stackedPlot({ title: "t", rows: [{ label: "a", parts: [1, 3] }], parts: ["x", "y"] })
  const widths = [...svg.matchAll(/cut" x="[\d.]+" y="[\d.]+" width="([\d.]+)"/g)].map(([, w]) => Number(w))
  assert.equal(widths.length, 2)
  // Two roundings to a hundredth.
  assert.ok(Math.abs(widths[1]! - 3 * widths[0]!) < 0.03, widths.join())
  assert.ok(svg.includes(">25 %<") && svg.includes(">75 %<"))
  assert.ok(
    !/NaN/.test(stackedPlot({ title: "t", rows: [{ label: "a", parts: [0, 0] }], parts: ["x", "y"] })),
  )
})

test("a bar ends where its value is, within the axis", () => {
  assert.ok(Math.abs(width(0.5) - width(1) / 2) < 0.02)
  assert.equal(width(7), width(1))
  assert.equal(width(-1), 0)
})

test("text from outside cannot become markup, and what XML cannot hold is replaced", () => {
  assert.equal(
    escapeXml(`<a href="x" id='y'>&\u0000\u001B\uD800\uFFFF\n`),
    "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\uFFFD\uFFFD\uFFFD\uFFFD\n",
  )
  const svg = plot(
    [
      [0, 10],
      [1, 20],
    ],
    `</text><script>"'`,
  )
  assert.ok(!svg.includes("<script>"))
  assert.ok(svg.includes("&lt;script&gt;"))
})

test("a figure of its own has the style and well-formed elements, and is the same each time", () => {
  const svg = standalone(
    plot([
      [0, 10],
      [1, 20],
    ]),
  )
  assert.equal(
    svg,
    standalone(
      plot([
        [0, 10],
        [1, 20],
      ]),
    ),
  )
  assert.ok(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"'))
  assert.ok(svg.includes(plotCss))
  assert.ok(!/NaN|Infinity|undefined/.test(svg))
  const open: string[] = []
  for (const [, close, name, self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close === "/") assert.equal(open.pop(), name)
    else if (self !== "/") open.push(name!)
  }
  assert.deepEqual(open, [])
})
