import assert from "node:assert/strict"
import { test } from "node:test"
import { outcome, resourcesOf } from "../../test/support/backends.ts"
import {
  rehearse,
  reportTo,
  snapshotOf,
  type FleetOptions,
  type Rehearsed,
} from "../../test/support/learning-fleet.ts"
import type { Rng } from "../core/rng.ts"
import { MixPlanner } from "./planner/mix-planner.ts"
import { Learner } from "./learner.ts"
import { loadReport } from "./load-report.ts"
import { Observer } from "./observer.ts"
import type { RouteList } from "../routing/routes.ts"

/** Three kinds of requests, 100 per second together, on three backends that are seven tenths busy. */
const classes = [
  { mean: [2, 0.5], cv: 0.5, rate: 40 },
  { mean: [1, 1], cv: 0.5, rate: 40 },
  { mean: [0.5, 2], cv: 0.5, rate: 20 },
] as const
const capacities = [
  [90, 60],
  [60, 60],
  [60, 90],
] as const
const seeds = [1, 2, 3, 4]

/** Each kind goes where it fits more often, as every policy that sees demand would have it. */
function fitting(kind: number, rng: Rng): number {
  const draw = rng.next()
  const [first, second] = [
    [0.6, 0.8],
    [0.3, 0.7],
    [0.1, 0.4],
  ][kind]!
  return draw < first! ? 0 : draw < second! ? 1 : 2
}

function runs(options: Partial<FleetOptions>): Rehearsed[] {
  return seeds.map((seed) =>
    rehearse({ capacities, classes, seconds: 20, choose: fitting, seed, ...options }),
  )
}

/** Errors of all means, each over what its route needs most of. */
function errorsOf({ knowledge }: Rehearsed, kinds: FleetOptions["classes"] = classes): number[] {
  return kinds.flatMap(({ mean }, index) =>
    mean.map((truth, r) => (knowledge.routes[index + 1]!.mean[r]! - truth) / Math.max(...mean)),
  )
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
}

test("from utilization with every response, demand is known within 20 % after 2 000 requests", () => {
  const found = runs({ reports: "responses" })
  for (const { requests } of found) assert.ok(requests < 2_150, `${requests} requests`)
  const error = rootMeanSquare(found.flatMap((one) => errorsOf(one)))
  assert.ok(error < 0.15, `${error}`)
  for (const one of found) {
    assert.deepEqual(one.knowledge.routes[1]!.isMeasured, [true, true])
    const { demand } = one.learner.view(20_000).routes[1]!
    assert.equal(demand[0]!.source, "utilization")
    const [fit] = one.learner.view(20_000).fits
    assert.ok(fit!.resource === "r0" && fit!.seconds > 40 && fit!.background < 0.1 && fit!.noise < 0.12)
  }
})

test("from utilization once per second, too", () => {
  const error = rootMeanSquare(runs({ reports: "renewals" }).flatMap((one) => errorsOf(one)))
  assert.ok(error < 0.2, `${error}`)
})

test("noise of 3 % in the reports does no more harm than that", () => {
  const found = runs({ reports: "renewals", noise: 0.03 })
  const error = rootMeanSquare(found.flatMap((one) => errorsOf(one)))
  assert.ok(error < 0.2, `${error}`)
})

test("requests that take seconds are counted while they are served", () => {
  const slow = classes.map(({ mean, cv, rate }) => ({
    mean: mean.map((one) => one * 20),
    cv,
    rate: rate / 20,
  }))
  // Reports on the clock: with so few responses, those that come with them are of the moments in which work ends.
  const found = runs({ reports: "renewals", classes: slow, seconds: 200 })
  const error = rootMeanSquare(found.flatMap((one) => errorsOf(one, slow)))
  assert.ok(error < 0.2, `${error}`)
})

test("idle seconds in between do no harm", () => {
  const found = runs({ reports: "renewals", seconds: 40, isBusy: (now) => now % 10_000 < 5_000 })
  const error = rootMeanSquare(found.flatMap((one) => errorsOf(one)))
  assert.ok(error < 0.2, `${error}`)
})

test("background work becomes no demand where the load varies", () => {
  const found = runs({
    reports: "renewals",
    seconds: 80,
    background: () => 0.15,
    isBusy: (now) => now % 20_000 < 10_000,
  })
  const error = rootMeanSquare(found.flatMap((one) => errorsOf(one)))
  assert.ok(error < 0.2, `${error}`)
})

test("where mixes differ less, the standard error is larger", () => {
  const alike = rehearse({ capacities: [[210, 210]], classes, seconds: 20, reports: "responses" })
  const apart = rehearse({ capacities, classes, seconds: 20, reports: "responses", choose: fitting })
  const [unsure, sure] = [alike, apart].map(
    ({ learner }) => learner.view(20_000).routes[1]!.demand[0]!.standardError,
  )
  assert.ok(unsure! > 1.5 * sure!, `${unsure} and ${sure}`)
})

test("reported costs come before utilization, and are exact within their standard error", () => {
  const told = classes.map((one) => ({ ...one, reportsCost: true }))
  for (const { knowledge, learner } of runs({ reports: "responses", classes: told })) {
    for (const [index, { mean }] of told.entries()) {
      for (const [r, truth] of mean.entries()) {
        const { source, standardError, variation } = learner.view(20_000).routes[index + 1]!.demand[r]!
        assert.equal(source, "reported")
        assert.ok(Math.abs(knowledge.routes[index + 1]!.mean[r]! - truth) < 4 * standardError + 0.05 * truth)
        assert.ok(Math.abs(variation - 0.5) < 0.12, `${variation}`)
      }
    }
  }
})

test("a route without costs is measured in the unit of those with", () => {
  // Two routes report costs in units 50 times as small as capacity; the third is known from utilization alone.
  const told = classes.map((one, index) => ({ ...one, reportsCost: index < 2 }))
  for (const { knowledge } of runs({ reports: "responses", classes: told, unit: 50, seconds: 40 })) {
    const found = knowledge.routes[3]!.mean[1]! / 50
    assert.ok(Math.abs(found - 2) < 0.5, `${found}`)
  }
})

test("a backend that works at half its speed is found, and units do not matter", () => {
  const told = classes.map(({ mean, cv, rate }) => ({ mean, cv, rate: rate / 2, reportsCost: true }))
  for (const unit of [1, 50]) {
    const { knowledge } = rehearse({
      capacities: [
        [80, 80],
        [80, 80],
        [80, 80],
        [80, 80],
      ],
      classes: told,
      seconds: 60,
      reports: "renewals",
      unit,
      actual: (backend) => (backend === 2 ? [40, 80] : [80, 80]),
    })
    const corrected = [...knowledge.capacities].find(([id]) => id === "b2")![1]
    assert.ok(Math.abs(corrected[0]! - 40) < 8, `${corrected[0]}`)
    for (const [id, capacity] of knowledge.capacities) {
      for (const [r, amount] of capacity.entries()) {
        if (id === "b2" && r === 0) continue
        assert.ok(Math.abs(amount - 80) < 12, `${id}: ${amount}`)
      }
    }
  }
})

test("with nothing but responses, demand follows service time in proportion to the prior", () => {
  const { knowledge, learner } = rehearse({
    capacities,
    classes: [
      { mean: [0.4, 0.4], rate: 20 },
      { mean: [1.6, 1.6], rate: 20 },
    ],
    seconds: 30,
  })
  const [short, long] = [knowledge.routes[1]!.mean, knowledge.routes[2]!.mean]
  const ratio = long[0]! / short[0]!
  assert.ok(ratio > 2.5 && ratio < 6, `${ratio}`)
  assert.ok(Math.abs((short[0]! + long[0]!) / 2 - 1) < 0.2)
  assert.equal(learner.view(30_000).routes[1]!.demand[0]!.source, "service-time")
  const { isLearned, isMeasured } = knowledge.routes[1]!
  assert.deepEqual([isLearned, isMeasured], [true, [false, false]], "its unit is that of the prior")
})

test("with utilization alone a slow backend is found too, as far as the mixes let tell", () => {
  // Every backend gets every kind, so that what is odd about one of them cannot be odd about a kind.
  const half = classes.map(({ mean, cv, rate }) => ({ mean, cv, rate: rate / 2 }))
  const { knowledge } = rehearse({
    capacities: [
      [60, 60],
      [60, 60],
      [60, 60],
    ],
    classes: half,
    seconds: 90,
    reports: "responses",
    actual: (backend) => (backend === 2 ? [36, 36] : [60, 60]),
  })
  const corrected = [...knowledge.capacities].find(([id]) => id === "b2")![1]
  for (const amount of corrected) assert.ok(Math.abs(amount - 36) < 9, `${amount}`)
})

test("a space is learned from how much is held", () => {
  // 20 requests per second that take 500 ms and hold 3 each: 30 of 100 on average, with Poisson's variance of 10
  // requests.
  const kinds = resourcesOf("space")
  const snapshot = snapshotOf([[100]])
  const routes: RouteList = { version: 1, rules: [], learned: ["GET /a"] }
  const learner = new Learner({ resources: kinds, prior: Float64Array.of(1), routes: () => routes })
  const observer = new Observer(kinds, 1)
  for (let s = 1; s <= 60; s++) {
    const count = s % 2 === 0 ? 10 : 30
    for (let i = 0; i < count; i++) observer.settled(0, 1, outcome({ totalMs: 500 }))
    // Half of the second before and half of this one.
    learner.report(
      snapshot.members[0]!.id,
      loadReport(kinds, {
        utilization: Float64Array.of((0.5 * 3 * (0.25 * (40 - count) + 0.75 * count)) / 100),
      }),
      s * 1_000,
    )
    learner.ingest(observer.take(s * 1_000)!, snapshot.members, s * 1_000)
    learner.learn(snapshot, s * 1_000)
  }
  const { mean } = learner.learn(snapshot, 61_000).routes[1]!
  assert.ok(Math.abs(mean[0]! - 3) < 0.3, `${mean[0]}`)
})

test("where the length of the body tells the demand, the route says so", () => {
  const learner = newLearner()
  const snapshot = snapshotOf([[10, 10]])
  const observer = new Observer(resources, 1)
  for (let s = 1; s <= 5; s++) {
    for (let i = 0; i < 50; i++) {
      const report = loadReport(resources, { requestCost: Float64Array.of(1 + i / 10, 1) })
      reportTo(observer, 0, 1, report, i * 100)
    }
    learner.ingest(observer.take(s * 1_000)!, snapshot.members, s * 1_000)
  }
  const { routes } = learner.learn(snapshot, 5_000)
  assert.ok(Math.abs(routes[1]!.bySize!.perByte[0]! - 0.001) < 1e-6)
  assert.equal(routes[2]!.bySize, undefined)
  const { demand } = learner.view(5_000).routes[1]!
  assert.ok(Math.abs(demand[0]!.bySize!.base - 1) < 1e-6)
  assert.equal(demand[1]!.bySize, undefined)
})

const list: RouteList = { version: 1, rules: [], learned: ["GET /a", "GET /b"] }
const resources = resourcesOf("rate", "rate")

function newLearner(): Learner {
  return new Learner({ resources, prior: Float64Array.of(3, 4), routes: () => list })
}

test("before anything is known there is the prior, and a version that grows", () => {
  const learner = newLearner()
  assert.deepEqual(learner.view(0).routes, [])
  const knowledge = learner.learn(snapshotOf([[10, 10]]), 0)
  assert.deepEqual(
    knowledge.routes.map(({ name, mean, rate, isLearned }) => [name, [...mean], rate, isLearned]),
    [
      ["", [3, 4], 0, false],
      ["GET /a", [3, 4], 0, false],
      ["GET /b", [3, 4], 0, false],
    ],
  )
  assert.deepEqual([knowledge.capacities.size, knowledge.penalties.size, knowledge.mix], [0, 0, undefined])
  assert.equal(learner.learn(snapshotOf([[10, 10]]), 1_000).version, knowledge.version + 1)
  const [first] = learner.view(1_500).routes
  assert.equal(learner.view(1_500).ageMs, 500)
  assert.deepEqual([first!.demand[0]!.source, first!.demand[0]!.samples], ["prior", 0])
})

test("what is learned of one route is the prior of those of which nothing is", () => {
  const learner = newLearner()
  const snapshot = snapshotOf([[10, 10]])
  const observer = new Observer(resources, 1)
  learner.learn(snapshot, 0)
  const report = loadReport(resources, { requestCost: Float64Array.of(8, NaN) })
  for (let i = 0; i < 60; i++) {
    observer.settled(0, 1, outcome())
    reportTo(observer, 0, 1, report, 0)
  }
  learner.ingest(observer.take(1_000)!, snapshot.members, 1_000)
  const { routes } = learner.learn(snapshot, 1_000)
  assert.deepEqual(
    routes.map(({ mean }) => mean[0]),
    [8, 8, 8],
  )
  assert.deepEqual(
    routes.map(({ isLearned }) => isLearned),
    [false, true, false],
  )
  assert.deepEqual(
    routes.map(({ holdMs }) => holdMs),
    [undefined, 10, undefined],
  )
  assert.ok(Math.abs(routes[1]!.rate - 60 * (1 - 0.7)) < 1e-9, "rates move by 0.3 per second")
})

test("failures make a backend dearer, what clients cut off does not, and a slot means the backend that had it then", () => {
  const learner = newLearner()
  const snapshot = snapshotOf([
    [10, 10],
    [10, 10],
    [10, 10],
  ])
  const observer = new Observer(resources, 3)
  for (let i = 0; i < 100; i++) {
    observer.settled(0, 0, outcome({ result: "failure" }))
    observer.settled(1, 0, outcome({ result: "ignored" }))
    observer.settled(2, 0, outcome({ result: "failure" }))
  }
  // The member of slot 2 has left before the batch came.
  learner.ingest(observer.take(1_000)!, snapshot.members.slice(0, 2), 1_000)
  const { penalties } = learner.learn(snapshot, 1_000)
  assert.deepEqual([...penalties.keys()], ["b0"])
  assert.ok(penalties.get(snapshot.members[0]!.id)! > 5)
})

test("a route that fails on every backend penalises none of them", () => {
  const learner = newLearner()
  const snapshot = snapshotOf([
    [10, 10],
    [10, 10],
  ])
  const observer = new Observer(resources, 2)
  for (let i = 0; i < 100; i++) {
    // All of the broken route's requests but few go to one of them.
    observer.settled(i < 95 ? 0 : 1, 1, outcome({ result: "failure" }))
    observer.settled(i % 2, 2, outcome())
  }
  learner.ingest(observer.take(1_000)!, snapshot.members, 1_000)
  assert.equal(learner.learn(snapshot, 1_000).penalties.size, 0)
})

test("the planner is given the eligible members with corrected capacities, and the routes", () => {
  const asked: (readonly [string, number])[] = []
  const { knowledge } = rehearse({
    capacities: [
      [80, 80],
      [80, 80],
      [80, 80],
    ],
    classes: [{ mean: [1, 1], rate: 100, reportsCost: true }],
    seconds: 60,
    reports: "renewals",
    actual: (backend) => (backend === 0 ? [48, 80] : [80, 80]),
    planner: {
      plan: (members, routes) => {
        asked.length = 0
        for (const { id, capacity } of members) asked.push([id, capacity[0]!])
        assert.equal(routes.length, 2)
        return {
          backends: members.map(({ id }) => id),
          shares: new Float64Array(routes.length * members.length),
        }
      },
    },
  })
  assert.deepEqual(knowledge.mix?.backends, ["b0", "b1", "b2"])
  assert.ok(asked[0]![1] < 60, `${asked[0]![1]}`)
})

test("what is learned makes a mix that sends each kind where it fits", () => {
  const { knowledge } = rehearse({
    capacities: [
      [90, 30],
      [30, 90],
    ],
    classes: [
      { mean: [2, 0.5], rate: 15, reportsCost: true },
      { mean: [0.5, 2], rate: 15, reportsCost: true },
    ],
    seconds: 30,
    planner: new MixPlanner(resourcesOf("rate", "rate")),
  })
  const { shares } = knowledge.mix!
  // Rows: the rest, the two kinds. Columns: the two backends.
  assert.ok(shares[2]! > 0.8 && shares[5]! > 0.8, shares.join(" "))
})

test("what has left is forgotten, and a batch with routes that are not known yet does no harm", () => {
  const learner = newLearner()
  const snapshot = snapshotOf([
    [10, 10],
    [10, 10],
  ])
  const observer = new Observer(resources, 2)
  observer.settled(0, 99, outcome({ result: "failure" }))
  reportTo(observer, 0, 99, loadReport(resources, { requestCost: Float64Array.of(5, 5) }), 0)
  learner.ingest(observer.take(1_000)!, snapshot.members, 1_000)
  const known = learner.learn(snapshot, 1_000)
  assert.equal(known.penalties.size, 1)
  assert.equal(known.routes[0]!.isLearned, true)
  const gone = { ...snapshot, members: snapshot.members.slice(1), eligible: snapshot.members.slice(1) }
  assert.equal(learner.learn(gone, 2_000).penalties.size, 0)
  assert.equal(learner.learn(snapshot, 3_000).penalties.size, 0)
})
