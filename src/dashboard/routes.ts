/** The panel of routes: what requests on each are known to need, how surely, and from what. */

import type { DemandView, RouteView } from "../control/state-view.ts"
import { copyOf, mark, part, say } from "./dom.ts"
import { amount, count, demandWords, sourceWords } from "./words.ts"

/** Routes that are shown, the busiest; the rest is in the API. */
const routesMax = 12

/** Draws the busiest routes into the list, reusing its rows. */
export function drawRoutes(list: HTMLElement, more: HTMLElement, routes: readonly RouteView[]): void {
  const shown = routes.toSorted((a, b) => b.rate - a.rate).slice(0, routesMax)
  while (list.children.length > shown.length) list.lastElementChild?.remove()
  while (list.children.length < shown.length) list.append(copyOf("route"))
  for (const [index, route] of shown.entries()) {
    const row = list.children[index]
    if (row instanceof HTMLElement) drawRoute(row, route)
  }
  const hidden = routes.length - shown.length
  more.hidden = hidden === 0
  say(more, `and ${count(hidden)} more, which are less busy`)
}

function drawRoute(row: HTMLElement, { name, rate, demand }: RouteView): void {
  say(part(row, ".route-name", HTMLElement), name === "" ? "all other requests" : name)
  mark(row, "data-rest", String(name === ""))
  say(part(row, ".route-rate", HTMLElement), `${amount(rate)}/s`)
  const needs = part(row, ".route-needs", HTMLElement)
  while (needs.children.length > demand.length) needs.lastElementChild?.remove()
  while (needs.children.length < demand.length) needs.append(copyOf("need"))
  for (const [index, known] of demand.entries()) {
    const need = needs.children[index]
    if (need instanceof HTMLElement) drawNeed(need, known, index)
  }
}

function drawNeed(need: HTMLElement, known: DemandView, index: number): void {
  mark(need, "data-resource", String(index))
  say(part(need, ".meter-name", HTMLElement), known.resource)
  say(part(need, ".need-amount", HTMLElement), demandWords(known))
  say(part(need, ".need-source", HTMLElement), sourceWords(known))
}
