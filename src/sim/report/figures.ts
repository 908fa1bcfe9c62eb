/** The figures of a rehearsal: what is plotted, in which words and between which axes. */

import { duration, percent, tickDuration } from "../../text/human.ts"
import type { Rehearsal } from "./rehearsal.ts"
import type { ClassResult, RunResult } from "./results.ts"
import type { BackendGroup } from "../scenario/scenario.ts"
import type { Axis } from "./axis.ts"
import { barPlot, linePlot, type Mark, stackedPlot } from "./svg.ts"

/** A policy that lost more than this part of its requests has no latency worth a point. */
const lostMax = 0.01
/** How far above the least p99 the plot goes. */
const farMax = 40
/** Groups that a stacked bar tells apart; the colours there are. */
const partsMax = 8

export interface Figure {
  /** Of the file, without its ending. */
  readonly name: string
  readonly svg: string
  /** What a person should see in it. */
  readonly caption: string
}

/** All figures of a rehearsal, those first that say most. */
export function reportFigures(rehearsal: Rehearsal): Figure[] {
  const figures: Figure[] = []
  if (rehearsal.runs.length > 0) figures.push(latencyFigure(rehearsal))
  if (rehearsal.capacity !== undefined) figures.push(capacityFigure(rehearsal))
  const load = topLoad(rehearsal)
  if (load !== undefined) {
    figures.push(utilizationFigure(rehearsal, load))
    figures.push(...routingFigures(rehearsal, load))
  }
  return figures
}

/** p99 against load, all policies in one plot, with what bounds them. */
export function latencyFigure(rehearsal: Rehearsal): Figure {
  const { scenario, runs, policies } = rehearsal
  const loads = [...new Set(runs.map(({ load }) => load))].sort((a, b) => a - b)
  const all = runs.filter((run) => isServed(run) && run.p99 > 0).map(({ p99 }) => p99)
  const least = all.length === 0 ? 1 : Math.min(...all)
  const most = all.length === 0 ? 10 : Math.max(...all)
  const y: Axis = {
    label: "p99 of latency",
    min: least / 1.4,
    // Far above any acceptable value it does not matter how far.
    max: Math.max(least * 4, Math.min(most * 1.2, least * farMax)),
    scale: "log",
    format: tickDuration,
  }
  const x = loadAxis(Math.min(loads[0] ?? 0.5, 0.5), Math.max(loads.at(-1) ?? 1, 1))
  const twice = 2 * rehearsal.unloadedP99
  const objective: Mark = { axis: "y", at: twice, label: `twice the unloaded p99, ${duration(twice)}` }
  const lines = policies.map(({ name, style, seesDemand }) => ({
    name,
    style,
    isStrong: seesDemand && isOurs(name),
    points: runs
      .filter(({ policy }) => policy === name)
      .sort((a, b) => a.load - b.load)
      .map((run) => ({ x: run.load, y: isServed(run) ? run.p99 : Infinity })),
  }))
  return {
    name: "latency",
    svg: linePlot({
      title: `${scenario.name}: p99 of latency against load, by policy`,
      x,
      y,
      lines,
      marks: [...bounds(rehearsal), objective],
    }),
    caption:
      "The 99th percentile of latency against load, which is a share of θ*, the most that any policy can carry. " +
      "Right of the class-blind ceiling no policy is stable that does not look at what a request needs: what is shown of " +
      "these there grows with the length of the run. A line that leaves the plot is far beyond any acceptable latency.",
  }
}

/** How much each policy carries within the objective. */
export function capacityFigure(rehearsal: Rehearsal): Figure {
  const { scenario, capacity, policies } = rehearsal
  const results = Object.entries(capacity?.policies ?? {}).sort(([, a], [, b]) => b.share - a.share)
  const rows = results.map(([name, { share, low, high }]) => {
    const policy = policies.find((candidate) => candidate.name === name)
    const bar = {
      value: share,
      low,
      high,
      text: share.toFixed(2),
      style: policy?.seesDemand === true ? 0 : 6,
    }
    return { label: name, isStrong: isOurs(name), bars: [bar] }
  })
  return {
    name: "capacity",
    svg: barPlot({
      title: `${scenario.name}: largest load with p99 within twice the unloaded one, by policy`,
      x: loadAxis(0, 1),
      rows,
      legend: [
        { name: "looks at what a request needs", style: 0 },
        { name: "does not", style: 6 },
      ],
      marks: bounds(rehearsal),
    }),
    caption:
      "The largest load at which p99 stays within twice that of an empty fleet, as a share of θ*, with a 95 % " +
      "interval over seeds.",
  }
}

function utilizationFigure({ scenario, runs, policies }: Rehearsal, load: number): Figure {
  const rows = policies.flatMap(({ name }) => {
    const run = runs.find((candidate) => candidate.policy === name && candidate.load === load)
    if (run === undefined) return []
    const bars = scenario.resources.map((resource, style) => {
      const value = run.utilization[resource.name] ?? 0
      return { value, text: percent(value), style }
    })
    return [{ label: name, isStrong: isOurs(name), bars }]
  })
  return {
    name: "utilization",
    svg: barPlot({
      title: `${scenario.name}: utilization of each resource at load ${load}, by policy`,
      x: { label: "part of the fleet's capacity in use", min: 0, max: 1, scale: "linear", format: percent },
      rows,
      legend: scenario.resources.map(({ name }, style) => ({ name, style })),
      marks: [],
    }),
    caption:
      `How much of each resource the whole fleet had in use at load ${load}. All did the same work; one that used ` +
      "less of it has lost requests or not finished them.",
  }
}

/** Where each class went: at the bound, then by policy. */
function routingFigures(rehearsal: Rehearsal, load: number): Figure[] {
  const { scenario, runs, policies, bounds } = rehearsal
  const groups = partsOf(scenario.backends)
  if (groups.length < 2) return []
  const shares = scenario.classes.map(({ name }, index) => ({
    label: name,
    parts: groups.map(({ members }) =>
      scenario.backends.reduce(
        (sum, group, place) => (members.has(group.name) ? sum + (bounds.shares[index]?.[place] ?? 0) : sum),
        0,
      ),
    ),
  }))
  const parts = groups.map(({ name }) => name)
  const ideal: Figure = {
    name: "routing-bound",
    svg: stackedPlot({ title: `${scenario.name}: where each class goes at θ*`, rows: shares, parts }),
    caption: "At the bound θ*, where nothing is wasted.",
  }
  const figures = policies.flatMap(({ name }): Figure[] => {
    const run = runs.find((candidate) => candidate.policy === name && candidate.load === load)
    if (run === undefined) return []
    const rows = run.classes.map((each) => ({
      label: each.name,
      parts: groups.map(({ members }) => sumOf(each, members)),
    }))
    const title = `${scenario.name}: where each class went with ${name} at load ${load}`
    return [{ name: `routing-${fileName(name)}`, svg: stackedPlot({ title, rows, parts }), caption: name }]
  })
  return [ideal, ...figures]
}

function sumOf({ shares }: ClassResult, members: ReadonlySet<string>): number {
  let sum = 0
  for (const [group, share] of Object.entries(shares)) if (members.has(group)) sum += share
  return sum
}

/** The groups as they are, or where there are too many, those together that share the word before the last dash. */
function partsOf(
  groups: readonly BackendGroup[],
): { readonly name: string; readonly members: ReadonlySet<string> }[] {
  const isMany = groups.length > partsMax
  const parts = new Map<string, Set<string>>()
  for (const { name } of groups) {
    const family = isMany ? name.replace(/-?[0-9]+$/, "") || name : name
    const key = parts.has(family) || parts.size < partsMax ? family : "others"
    const members = parts.get(key) ?? new Set<string>()
    members.add(name)
    parts.set(key, members)
  }
  return [...parts].map(([name, members]) => ({ name, members }))
}

function bounds({ bounds: { classBlindCeiling, roundRobinCeiling } }: Rehearsal): Mark[] {
  const marks: Mark[] = [{ axis: "x", at: 1, label: "θ* 1.00" }]
  if (classBlindCeiling < 0.995) {
    marks.push({
      axis: "x",
      at: classBlindCeiling,
      label: `class-blind ceiling ${classBlindCeiling.toFixed(2)}`,
    })
  }
  if (roundRobinCeiling < Math.min(classBlindCeiling, 1) - 0.02) {
    marks.push({ axis: "x", at: roundRobinCeiling, label: `equal turns ${roundRobinCeiling.toFixed(2)}` })
  }
  return marks
}

function loadAxis(min: number, max: number): Axis {
  const label = "load, as a share of θ*"
  return {
    label,
    min: Math.max(0, min - 0.02),
    max: max + 0.02,
    scale: "linear",
    format: (value) => value.toFixed(1),
  }
}

/** The highest load that all were run at. */
export function topLoad({ runs, policies }: Rehearsal): number | undefined {
  const loads = [...new Set(runs.map(({ load }) => load))].sort((a, b) => b - a)
  const isFull = (load: number) =>
    policies.every(({ name }) => runs.some((run) => run.policy === name && run.load === load))
  return loads.find(isFull)
}

function isOurs(policy: string): boolean {
  return /^(auto|price|mix)(\(|$)/.test(policy)
}

export function isServed({ requests, completed }: RunResult): boolean {
  return completed >= requests * (1 - lostMax)
}

function fileName(policy: string): string {
  return policy.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "")
}
