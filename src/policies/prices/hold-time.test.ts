import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../../test/support/backends.ts"
import type { RouteKnowledge } from "../../core/knowledge.ts"
import { HoldTimes, meanHoldSeconds } from "./hold-time.ts"

const mixed = resourcesOf("rate", "space")

function route(more: Partial<RouteKnowledge>): RouteKnowledge {
  return { name: "", mean: Float64Array.of(1, 1), rate: 1, isLearned: true, ...more }
}

/** Seconds at each of two members, of which the second is four times slower. */
function secondsOf(routes: readonly RouteKnowledge[], asked: number, work = 0): number[] {
  const times = new HoldTimes(mixed)
  times.prepare(
    [
      [8, 10],
      [2, 10],
    ].map((amounts) => Float64Array.from(amounts)),
    routes,
  )
  times.ask(asked, Float64Array.of(work, 1))
  return [0, 1].map((member) => times.of(member) * times.meanSeconds!)
}

test("the mean is over requests, and over the routes of which the time is known", () => {
  const routes = [route({}), route({ rate: 3, holdMs: 1_000 }), route({ rate: 1, holdMs: 5_000 })]
  assert.equal(meanHoldSeconds(routes), 2)
  assert.equal(meanHoldSeconds([route({ holdMs: NaN }), route({})]), undefined)
  // Without requests of late all count alike.
  assert.equal(meanHoldSeconds([route({ rate: 0, holdMs: 1_000 }), route({ rate: 0, holdMs: 5_000 })]), 3)
})

test("a request holds as long as its route, a route whose time is not known as long as the mean", () => {
  const routes = [route({}), route({ holdMs: 1_000 }), route({ holdMs: 5_000 })]
  for (const [asked, seconds] of [3, 1, 5, 3].entries()) {
    assert.deepEqual(secondsOf(routes, asked), [seconds, seconds])
  }
})

test("what a request's work takes longer than on the fastest member is added there", () => {
  // Work of 4 takes half a second and two seconds.
  assert.deepEqual(secondsOf([route({ holdMs: 1_000 })], 0, 4), [1, 2.5])
})

test("what requests waited for others before their responses began is left out, as far as it is certain", () => {
  // The mean request's work takes an eighth of a second, so no more than half a second is taken for work.
  assert.deepEqual(secondsOf([route({ holdMs: 9_000, answerMs: 1_000 })], 0), [1.5, 1.5])
  assert.deepEqual(secondsOf([route({ holdMs: 1_250, answerMs: 1_000 })], 0), [1.25, 1.25])
  assert.deepEqual(secondsOf([route({ holdMs: 9_000 })], 0), [9, 9])
})

test("where resources are of one kind, and while nothing is known, times have no say", () => {
  for (const [resources, routes] of [
    [resourcesOf("rate", "rate"), [route({ holdMs: 5_000 })]],
    [resourcesOf("space", "space"), [route({ holdMs: 5_000 })]],
    [mixed, [route({})]],
    [mixed, []],
  ] as const) {
    const times = new HoldTimes(resources)
    times.prepare(
      [
        [8, 10],
        [2, 10],
      ].map((amounts) => Float64Array.from(amounts)),
      routes,
    )
    times.ask(0, Float64Array.of(4, 1))
    assert.deepEqual([times.meanSeconds, times.of(0), times.of(1)], [undefined, 1, 1])
  }
})

test("without a rate that it needs a request would never end there", () => {
  const times = new HoldTimes(mixed)
  times.prepare(
    [
      [8, 10],
      [0, 10],
    ].map((amounts) => Float64Array.from(amounts)),
    [route({ holdMs: 1_000 })],
  )
  times.ask(0, Float64Array.of(1, 1))
  assert.equal(times.of(1), Infinity)
  times.ask(0, Float64Array.of(0, 1))
  assert.equal(times.of(1), 1)
})
