import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { ProcessorSharing } from "./processor-sharing.ts"
import { Requests } from "./requests.ts"
import { NumberQueue, Stations, type StationTraits } from "./stations.ts"

interface Job {
  readonly at: number
  readonly work: number
}

/** When each job is done at the one station. */
function run(
  traits: StationTraits,
  jobs: readonly Job[],
): { readonly ends: number[]; readonly busyMs: number } {
  const requests = new Requests(1, false)
  const stations = new Stations([traits], requests)
  const jobOf = new Map<number, number>()
  const ends: number[] = jobs.map(() => NaN)
  let next = 0
  let now = 0
  for (;;) {
    const arrival = jobs[next]?.at ?? Infinity
    if (stations.dueAt <= arrival) {
      if (stations.dueAt === Infinity) break
      now = stations.dueAt
      const request = stations.complete()
      ends[jobOf.get(request)!] = now
      requests.give(request)
      continue
    }
    now = arrival
    const request = requests.take()
    jobOf.set(request, next)
    stations.arrive(0, request, jobs[next]!.work, now)
    next++
  }
  return { ends, busyMs: stations.busyMs(0, now) }
}

const arrivals = fc
  .array(fc.record({ at: fc.nat(2_000), work: fc.double({ min: 0, max: 50, noNaN: true }) }), {
    maxLength: 60,
    size: "max",
  })
  .map((found) => found.toSorted((a, b) => a.at - b.at))
const capacities = fc.double({ min: 0.1, max: 1_000, noNaN: true })
const lanes = fc.oneof(fc.constant(Infinity), fc.double({ min: 0.05, max: 1_000, noNaN: true }))

test("sharing is the processor sharing of the demonstration backend", () => {
  fc.assert(
    fc.property(arrivals, capacities, lanes, (jobs, capacity, lane) => {
      const { busyMs, ends } = run({ capacity, lane, discipline: "sharing" }, jobs)
      const reference = new ProcessorSharing<number>(capacity, lane)
      const expected: number[] = []
      let now = 0
      let next = 0
      while (expected.filter((end) => end !== undefined).length < jobs.length || next < jobs.length) {
        const arrival = jobs[next]?.at ?? Infinity
        const due = reference.nextCompletionAt(now) ?? Infinity
        now = Math.min(arrival, due)
        if (due <= arrival) for (const job of reference.advance(now)) expected[job] = now
        else reference.add(next, jobs[next++]!.work, now)
      }
      for (const [job, end] of ends.entries()) {
        assert.ok(Math.abs(end - expected[job]!) <= 1e-6 * (1 + end), `${end} is not ${expected[job]}`)
      }
      assert.ok(Math.abs(busyMs - reference.busyMs(now)) <= 1e-6 * (1 + busyMs))
    }),
  )
})

test("first come, first served: each takes the first free server, for as long as its work lasts there", () => {
  fc.assert(
    fc.property(arrivals, capacities, fc.integer({ min: 1, max: 5 }), (jobs, capacity, servers) => {
      const { ends } = run({ capacity, lane: capacity / servers, discipline: "fifo" }, jobs)
      const freeAt = Array.from({ length: servers }, () => 0)
      for (const [job, { at, work }] of jobs.entries()) {
        const first = freeAt.indexOf(Math.min(...freeAt))
        freeAt[first] = Math.max(at, freeAt[first]!) + (work / (capacity / servers)) * 1_000
        assert.ok(Math.abs(ends[job]! - freeAt[first]) <= 1e-6 * (1 + freeAt[first]))
      }
    }),
  )
})

test("what is slowed takes longer from then on, and what is cleared comes back for no request", () => {
  const requests = new Requests(1, false)
  const stations = new Stations(
    [
      { capacity: 10, lane: Infinity, discipline: "sharing" },
      { capacity: 1, lane: 1, discipline: "fifo" },
    ],
    requests,
  )
  const [a, b, c] = [requests.take(), requests.take(), requests.take()]
  // 10 of 20 units are left after one second; at half the speed, of which another takes half, they last 4 s.
  stations.arrive(0, a, 20, 0)
  stations.setSpeed(0, 0.5, 0.5, 1_000)
  assert.equal(stations.dueAt, 5_000)

  stations.arrive(1, b, 1, 0)
  stations.arrive(1, c, 1, 0)
  assert.equal(stations.dueAt, 1_000)
  assert.equal(stations.present(1), 2)
  stations.clear(1, 500)
  assert.equal(stations.present(1), 0)
  assert.equal(stations.dueAt, 5_000)
  stations.clear(0, 500)
  assert.equal(stations.dueAt, Infinity)
})

test("a lane is as fast as before while a neighbour leaves enough for it", () => {
  const requests = new Requests(1, false)
  const stations = new Stations([{ capacity: 4, lane: 1, discipline: "sharing" }], requests)
  stations.setSpeed(0, 1, 0.75, 0)
  stations.arrive(0, requests.take(), 1, 0)
  assert.equal(stations.dueAt, 1_000)
  stations.arrive(0, requests.take(), 1, 0)
  assert.equal(stations.dueAt, 2_000)
})

test("numbers leave a queue as they came, however it grows", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(1_000), fc.constant(-1)), { maxLength: 300, size: "max" }),
      (steps) => {
        const queue = new NumberQueue()
        const expected: number[] = []
        for (const step of steps) {
          if (step >= 0) {
            queue.push(step)
            expected.push(step)
          } else if (expected.length > 0) {
            assert.equal(queue.peek(), expected[0])
            assert.equal(queue.shift(), expected.shift())
          }
          assert.equal(queue.size, expected.length)
        }
      },
    ),
  )
})
