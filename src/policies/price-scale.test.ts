// A rate and a space beside each other: does their common scale hold in a fleet that queues for one and refuses for
// want of the other? A simulation of a few thousand requests; the same ones for every scale.
import assert from "node:assert/strict"
import { test } from "node:test"
import { ofCapacity, request, resourcesOf, type FakeBackend } from "../../test/support/backends.ts"
import { nothingKnown } from "../core/knowledge.ts"
import { seeded } from "../core/rng.ts"
import { ProcessorSharing } from "../sim/processor-sharing.ts"
import { Price } from "./price.ts"

interface Kind {
  readonly part: number
  /** Seconds on one lane. */
  readonly work: number
  readonly room: number
  readonly holdMs: number
}

interface Job {
  readonly backend: FakeBackend
  readonly demand: Float64Array
  readonly holdMs: number
}

const laneMs = 1_000

/** How many of these requests are refused when the policy believes that requests take this long. */
function refused(kinds: readonly [Kind, Kind], perSecond: number, believedMs: number): number {
  // Four backends with much work and little room, four the other way round.
  const capacities = Array.from({ length: 8 }, (_, i) => (i < 4 ? [16, 100] : [4, 400]))
  const members = ofCapacity(...capacities)
  const works = capacities.map(([work]) => new ProcessorSharing<Job>(work!, 1))
  const rng = seeded(1)
  const exponential = (mean: number): number => -mean * Math.log(1 - rng.next())
  const policy = new Price({ rng: seeded(2), resources: resourcesOf("rate", "space"), parameters: {} })
  policy.rebuild(members)
  const mean = Float64Array.of(1, 1)
  policy.learn({
    ...nothingKnown,
    routes: [{ name: "", mean, rate: 1, isLearned: true, holdMs: believedMs }],
  })

  const held: { readonly job: Job; readonly endsAt: number }[] = []
  let count = 0
  let now = 0
  for (let arrivals = 0; arrivals < 6_000; arrivals++) {
    const next = now + exponential(1_000 / perSecond)
    for (;;) {
      const dues = works.map((work) => work.nextCompletionAt(now) ?? Infinity)
      const ends = held.map(({ endsAt }) => endsAt)
      const first = Math.min(next, ...dues, ...ends)
      now = first
      if (first === next) break
      const busy = dues.indexOf(first)
      if (busy >= 0) {
        for (const job of works[busy]!.advance(now)) held.push({ job, endsAt: now + job.holdMs })
        continue
      }
      const [{ job }] = held.splice(ends.indexOf(first), 1) as [(typeof held)[number]]
      job.backend.load.hold(job.demand.map((amount) => -amount))
    }
    const kind = kinds[rng.next() < kinds[0].part ? 0 : 1]
    const work = exponential(kind.work)
    const holdMs = exponential(kind.holdMs)
    const asked = request(
      [kind.work, kind.room],
      ({ load, capacity }) => load.reserved(1) + kind.room <= capacity[1]!,
    )
    const backend = policy.pick(asked) as FakeBackend | undefined
    if (backend === undefined) {
      count++
      continue
    }
    const demand = Float64Array.of(kind.work, kind.room)
    backend.load.hold(demand)
    works[members.indexOf(backend)]!.add({ backend, demand, holdMs }, work, now)
  }
  return count
}

/** How long they take without load. */
function aloneMs(kinds: readonly [Kind, Kind]): number {
  return kinds.reduce((sum, { part, work, holdMs }) => sum + part * (work * laneMs + holdMs), 0)
}

const workAndRoom: readonly [Kind, Kind] = [
  { part: 0.6, work: 1, room: 2, holdMs: 200 },
  { part: 0.4, work: 0.3, room: 20, holdMs: 2_000 },
]
const mostlyRoom: readonly [Kind, Kind] = [
  { part: 0.5, work: 0.5, room: 10, holdMs: 1_000 },
  { part: 0.5, work: 0.05, room: 20, holdMs: 1_000 },
]

test("the scale of rates beside spaces refuses about as few as any other, and a wrong one several times as many", () => {
  for (const [kinds, perSecond] of [
    [workAndRoom, 84],
    [mostlyRoom, 99],
  ] as const) {
    const right = refused(kinds, perSecond, aloneMs(kinds))
    const others = [1 / 30, 1 / 3, 4, 30].map((factor) => refused(kinds, perSecond, aloneMs(kinds) * factor))
    assert.ok(right <= 1.1 * Math.min(...others), `${right} refused, elsewhere ${others.join(", ")}`)
    assert.ok(Math.max(...others) > 1.5 * right, `${right} refused, elsewhere ${others.join(", ")}`)
  }
})
