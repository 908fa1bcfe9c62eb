/**
 * Plots as SVG: lines, bars, stacked bars. The same data gives the same bytes. Colours are CSS variables, so that one
 * figure suits light and dark; `plotCss` goes once into a page that holds figures, `standalone` puts it into one.
 */
import { type Axis, isWithin, ticks } from "./axis.ts"

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Line {
  readonly name: string
  readonly points: readonly Point[]
  /** Drawn over the others, and stronger. */
  readonly isStrong: boolean
  /** Which of the styles; lines of one number look alike in all figures. */
  readonly style: number
  /** How it is drawn: points that a line joins, the line alone, or the points alone. Default both. */
  readonly draws?: "both" | "line" | "points"
}

/** A line of reference across the plot. */
export interface Mark {
  readonly axis: "x" | "y"
  readonly at: number
  readonly label: string
}

export interface LinePlot {
  /** What the figure shows, for readers that cannot see it. */
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
  readonly marks: readonly Mark[]
}

/** Horizontal bars, one or several a row. */
export interface BarPlot {
  readonly title: string
  readonly x: Axis
  readonly rows: readonly {
    readonly label: string
    readonly isStrong: boolean
    readonly bars: readonly {
      readonly value: number
      /** An interval around the value. */
      readonly low?: number
      readonly high?: number
      readonly text: string
      readonly style: number
    }[]
  }[]
  /** Names of the bars in a row, where there are several. */
  readonly legend: readonly { readonly name: string; readonly style: number }[]
  readonly marks: readonly Mark[]
}

/** Horizontal bars that are divided into parts of a whole. */
export interface StackedPlot {
  readonly title: string
  readonly rows: readonly { readonly label: string; readonly parts: readonly number[] }[]
  /** Names of the parts. */
  readonly parts: readonly string[]
}

const colours = 8
const width = 860
/** Narrower, so that several fit side by side. */
const stackedWidth = 460

export const plotCss: string = `
.plot{--ink:#1c2430;--soft:#5b6675;--grid:#e3e7ec;--ground:#fff;--mark:#8a94a3;
--c0:#0b62d6;--c1:#d1480f;--c2:#0a8f6a;--c3:#8e3fb0;--c4:#a87a00;--c5:#c2185b;--c6:#4d6b8a;--c7:#7a5230;
font:12px/1.3 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.plot{--ink:#e8edf4;--soft:#9aa7b8;--grid:#2b333f;--ground:#12171e;--mark:#7d8a9b;
--c0:#6aa9ff;--c1:#ff8f62;--c2:#3fd1a4;--c3:#d391ea;--c4:#e2bd4a;--c5:#ff7fb0;--c6:#9fb8d4;--c7:#cfa57f}}
.plot text{fill:var(--ink)}
.plot .soft{fill:var(--soft)}
.plot .strong{font-weight:650}
.plot .grid{stroke:var(--grid);stroke-width:1}
.plot .axis{stroke:var(--soft);stroke-width:1}
.plot .mark{stroke:var(--mark);stroke-width:1.25;stroke-dasharray:5 4}
.plot .halo{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
.plot .line{fill:none;stroke:var(--c);stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round;opacity:.85}
.plot .line.top{stroke-width:3.2;opacity:1}
.plot .dot{fill:var(--ground);stroke:var(--c);stroke-width:1.6}
.plot .dot.top{fill:var(--c)}
.plot .fill{fill:var(--c)}
.plot .faint{opacity:.55}
.plot .cut{stroke:var(--ground);stroke-width:1}
.plot .whisker{stroke:var(--ink);stroke-width:1.5}
.plot .in{fill:#fff;font-weight:600}
@media (prefers-color-scheme:dark){.plot .in{fill:#0d1117}}
${Array.from({ length: colours }, (_, i) => `.plot .c${i}{--c:var(--c${i})}`).join("")}
`.trim()

/** Lines over two axes, a legend at the right, reference lines with their names at the top. */
export function linePlot({ title, x, y, lines, marks }: LinePlot): string {
  const top = 46
  const left = 64
  const right = 210
  const height = Math.max(430, top + 60 + lines.length * 18)
  const bottom = height - 52
  const toX = scaled(x, left, width - right)
  const toY = scaled(y, bottom, top)
  const parts: string[] = []
  for (const tick of ticks(x)) {
    const at = n(toX(tick))
    parts.push(`<path class="grid" d="M${at} ${top}V${bottom}"/>`)
    parts.push(text(at, bottom + 18, x.format(tick), "soft", "middle"))
  }
  for (const tick of ticks(y)) {
    const at = n(toY(tick))
    parts.push(`<path class="grid" d="M${left} ${at}H${width - right}"/>`)
    parts.push(text(left - 8, Number(at) + 4, y.format(tick), "soft", "end"))
  }
  parts.push(`<path class="axis" d="M${left} ${bottom}H${width - right}"/>`)
  parts.push(text((left + width - right) / 2, height - 10, x.label, "", "middle"))
  parts.push(text(left - 52, 18, y.label, "", "start"))
  parts.push(...xMarks(marks, toX, top, bottom, x))
  for (const { axis, at, label } of marks) {
    if (axis === "x" || !isWithin(y, at)) continue
    const height = n(toY(at))
    parts.push(`<path class="mark" d="M${left} ${height}H${width - right}"/>`)
    parts.push(text(left + 6, Number(height) - 5, label, "soft halo", "start"))
  }
  for (const line of [...lines].sort((a, b) => Number(a.isStrong) - Number(b.isStrong))) {
    parts.push(drawnLine(line, x, y, toX, toY))
  }
  const legend = lines.map(({ name, style, isStrong, draws = "both" }, index) => {
    const at = top + 6 + index * 18
    const from = width - right + 18
    const weight = isStrong ? " top" : ""
    const path = draws === "points" ? "" : `<path class="line${weight}"${dash(style)} d="M${from} ${at}h26"/>`
    const dot = draws === "line" ? "" : marker(style, from + 13, at, weight)
    return (
      `<g class="c${colour(style)}">${path}${dot}</g>` +
      text(from + 34, at + 4, name, isStrong ? "strong" : "", "start")
    )
  })
  return svg(title, height, [...parts, ...legend])
}

/** Outside of the axes a line is cut where it leaves them, and its points there are not drawn. */
function drawnLine(line: Line, x: Axis, y: Axis, toX: Scale, toY: Scale): string {
  const { points, style, isStrong, draws = "both" } = line
  const isInside = (p: Point) => isWithin(x, p.x) && isWithin(y, p.y)
  const runs: Point[][] = []
  let run: Point[] = []
  for (const [index, point] of points.entries()) {
    if (isInside(point)) {
      const before = points[index - 1]
      if (run.length === 0 && before !== undefined && isFinite(before.y)) {
        run.push(border(point, before, x, y, toX, toY))
      }
      run.push(point)
      continue
    }
    if (run.length > 0 && Number.isFinite(point.x) && !Number.isNaN(point.y)) {
      run.push(border(run.at(-1)!, point, x, y, toX, toY))
    }
    if (run.length > 0) runs.push(run)
    run = []
  }
  if (run.length > 0) runs.push(run)
  const weight = isStrong ? " top" : ""
  const paths = (draws === "points" ? [] : runs).map((part) => {
    const d = part.map((p, index) => `${index === 0 ? "M" : "L"}${n(toX(p.x))} ${n(toY(p.y))}`).join("")
    return `<path class="line${weight}"${dash(style)} d="${d}"/>`
  })
  const dots = (draws === "line" ? [] : points.filter(isInside)).map((p) =>
    marker(style, toX(p.x), toY(p.y), weight),
  )
  return `<g class="c${colour(style)}"><title>${escapeXml(line.name)}</title>${paths.join("")}${dots.join("")}</g>`
}

/** Where the way from a point inside to one outside leaves the plot, by whichever side; straight as it is drawn. */
function border(inside: Point, outside: Point, x: Axis, y: Axis, toX: Scale, toY: Scale): Point {
  const far = outside.y === Infinity ? y.max * 1_000 : outside.y
  const partX = partWithin(x, inside.x, outside.x, toX)
  const partY = partWithin(y, inside.y, far, toY)
  return partX < partY
    ? { x: edgeOf(x, outside.x), y: between(y, inside.y, far, partX) }
    : { x: between(x, inside.x, outside.x, partY), y: edgeOf(y, far) }
}

/** Which part of the way from one value to the other is within the axis as it is drawn, 0 to 1. */
function partWithin(axis: Axis, from: number, to: number, scaledTo: Scale): number {
  if (isWithin(axis, to)) return 1
  const whole = scaledTo(to) - scaledTo(from)
  const part = whole === 0 ? 0 : (scaledTo(edgeOf(axis, to)) - scaledTo(from)) / whole
  return Math.min(1, Math.max(0, part))
}

/** The value that is drawn this part of the way from one to the other. */
function between({ scale }: Axis, from: number, to: number, part: number): number {
  return scale === "log" ? from * (to / from) ** part : from + (to - from) * part
}

function edgeOf({ min, max }: Axis, value: number): number {
  return Math.min(Math.max(value, min), max)
}

/** Rows of bars with what they say behind them. */
export function barPlot({ title, x, rows, legend, marks }: BarPlot): string {
  const left = 190
  const right = 96
  const top = (legend.length > 0 ? 24 : 0) + (marks.length > 0 ? 46 : 16)
  const heights = rows.map(({ bars }) => bars.length * (thickness(bars.length) + 2) + 9)
  const bottom = top + heights.reduce((sum, height) => sum + height, 0)
  const toX = scaled(x, left, width - right)
  const parts: string[] = []
  for (const tick of ticks(x)) {
    const at = n(toX(tick))
    parts.push(`<path class="grid" d="M${at} ${top}V${bottom}"/>`)
    parts.push(text(at, bottom + 18, x.format(tick), "soft", "middle"))
  }
  parts.push(text((left + width - right) / 2, bottom + 38, x.label, "", "middle"))
  let at = top + 4
  for (const [index, { label, bars, isStrong }] of rows.entries()) {
    const thick = thickness(bars.length)
    const middle = at + (bars.length * (thick + 2)) / 2 + 3
    parts.push(text(left - 10, middle, label, isStrong ? "strong" : "", "end"))
    for (const [place, { value, low, high, text: said, style }] of bars.entries()) {
      const y = at + place * (thick + 2)
      const end = toX(Math.min(Math.max(value, x.min), x.max))
      const faint = isStrong || bars.length > 1 ? "" : " faint"
      parts.push(
        `<rect class="c${colour(style)} fill${faint}" x="${left}" y="${n(y)}" width="${n(Math.max(0, end - left))}" height="${thick}" rx="2"/>`,
      )
      let tail = end
      if (low !== undefined && high !== undefined && high > low) {
        const [from, to] = [toX(Math.max(low, x.min)), toX(Math.min(high, x.max))]
        parts.push(
          `<path class="whisker" d="M${n(from)} ${n(y + thick / 2)}H${n(to)}M${n(from)} ${n(y + 4)}v${thick - 8}M${n(to)} ${n(y + 4)}v${thick - 8}"/>`,
        )
        tail = Math.max(tail, to)
      }
      parts.push(text(tail + 6, y + thick / 2 + 4, said, "soft halo", "start"))
    }
    at += heights[index]!
  }
  parts.push(`<path class="axis" d="M${left} ${top}V${bottom}"/>`)
  parts.push(...xMarks(marks, toX, top, bottom, x))
  parts.push(...legendRow(legend, left, 20))
  return svg(title, bottom + 50, parts)
}

/** Of one bar, by how many there are in its row. */
function thickness(bars: number): number {
  return bars > 1 ? 11 : 15
}

/** Rows of parts of a whole, each part in its colour, with its percentage where there is room. */
export function stackedPlot({ title, rows, parts: names }: StackedPlot): string {
  const left = Math.min(150, 20 + 7 * Math.max(...rows.map(({ label }) => label.length)))
  const right = 8
  const top = 34
  const thick = 22
  const whole = stackedWidth - left - right
  const parts: string[] = []
  for (const [index, { label, parts: shares }] of rows.entries()) {
    const y = top + index * (thick + 8)
    parts.push(text(left - 10, y + thick / 2 + 4, label, "", "end"))
    const sum = shares.reduce((total, share) => total + share, 0) || 1
    let from = 0
    for (const [part, share] of shares.entries()) {
      const size = (share / sum) * whole
      if (size < 0.5) continue
      parts.push(
        `<rect class="c${colour(part)} fill cut" x="${n(left + from)}" y="${y}" width="${n(size)}" height="${thick}"/>`,
      )
      const said = `${Math.round((share / sum) * 100)} %`
      if (size > 36) parts.push(text(left + from + size / 2, y + thick / 2 + 4, said, "in", "middle"))
      from += size
    }
  }
  parts.push(
    ...legendRow(
      names.map((name, style) => ({ name, style })),
      left,
      14,
    ),
  )
  return svg(title, top + rows.length * (thick + 8), parts, stackedWidth)
}

/** A figure that is a file of its own, with its style and its ground. */
export function standalone(figure: string): string {
  const start = figure.indexOf(">") + 1
  const ground = `<rect width="100%" height="100%" fill="var(--ground)"/>`
  return `${figure.slice(0, start)}<style>${plotCss}</style>${ground}${figure.slice(start)}\n`
}

/** Text for XML and HTML, in elements and in quoted attributes. What XML cannot hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/(?![\t\n\r])\p{Cc}|[\uFFFE\uFFFF]/gu, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;")
}

type Scale = (value: number) => number

function scaled({ min, max, scale }: Axis, from: number, to: number): Scale {
  const of = scale === "log" ? Math.log : (value: number) => value
  const span = of(max) - of(min) || 1
  return (value) => from + ((of(value) - of(min)) / span) * (to - from)
}

/** Names side by side at the top; where two come close, the next one a line higher. */
function xMarks(marks: readonly Mark[], toX: Scale, top: number, bottom: number, x: Axis): string[] {
  const shown = marks.filter(({ axis, at }) => axis === "x" && isWithin(x, at))
  let lastEnd = -Infinity
  let isRaised = false
  return [...shown]
    .sort((a, b) => a.at - b.at)
    .map(({ at, label }) => {
      const place = toX(at)
      const half = label.length * 3.3
      isRaised = place - half < lastEnd ? !isRaised : false
      lastEnd = place + half
      const y = top - (isRaised ? 22 : 8)
      return (
        `<path class="mark" d="M${n(place)} ${y + 4}V${bottom}"/>` +
        text(place, y, label, "soft halo", "middle")
      )
    })
}

function legendRow(
  entries: readonly { readonly name: string; readonly style: number }[],
  from: number,
  y: number,
): string[] {
  let at = from
  return entries.map(({ name, style }) => {
    const part =
      `<rect class="c${colour(style)} fill" x="${n(at)}" y="${y - 10}" width="12" height="12" rx="2"/>` +
      text(at + 18, y, name, "", "start")
    at += 32 + name.length * 6.5
    return part
  })
}

function colour(style: number): number {
  return style % colours
}

/** After the colours have run out, lines differ by their dashes. */
function dash(style: number): string {
  const pattern = ["", "7 4", "2 4", "9 3 2 3"][Math.floor(style / colours) % 4]!
  return pattern === "" ? "" : ` stroke-dasharray="${pattern}"`
}

function marker(style: number, x: number, y: number, weight: string): string {
  const [cx, cy] = [n(x), n(y)]
  switch (style % 4) {
    case 0:
      return `<circle class="dot${weight}" cx="${cx}" cy="${cy}" r="3.4"/>`
    case 1:
      return `<rect class="dot${weight}" x="${n(x - 3)}" y="${n(y - 3)}" width="6" height="6"/>`
    case 2:
      return `<path class="dot${weight}" d="M${cx} ${n(y - 4)}l3.8 6.6h-7.6z"/>`
    default:
      return `<path class="dot${weight}" d="M${cx} ${n(y - 4.2)}l4.2 4.2l-4.2 4.2l-4.2 -4.2z"/>`
  }
}

function text(x: number | string, y: number | string, said: string, type: string, anchor: string): string {
  const classes = type === "" ? "" : ` class="${type}"`
  return `<text${classes} x="${n(Number(x))}" y="${n(Number(y))}" text-anchor="${anchor}">${escapeXml(said)}</text>`
}

function svg(title: string, height: number, parts: readonly string[], wide: number = width): string {
  const name = escapeXml(title)
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 ${wide} ${n(height)}" role="img" aria-label="${name}">` +
    `<title>${name}</title>${parts.join("\n")}</svg>`
  )
}

/** Two decimals are a fiftieth of a pixel on any screen. */
function n(value: number): string {
  return String(Number(value.toFixed(2)))
}
