import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { ProcessorSharing } from "./processor-sharing.ts"

test("a job alone gets the whole capacity", () => {
  const cpu = new ProcessorSharing<string>(20)
  cpu.add("a", 10, 0)

  assert.equal(cpu.nextCompletionAt(0), 500)
  assert.deepEqual(cpu.advance(499), [])
  assert.deepEqual(cpu.advance(500), ["a"])
  assert.equal(cpu.jobs, 0)
  assert.equal(cpu.nextCompletionAt(500), undefined)
})

test("two equal jobs take twice as long and complete in the order of arrival", () => {
  const cpu = new ProcessorSharing<string>(20)
  cpu.add("a", 10, 0)
  cpu.add("b", 10, 0)

  assert.equal(cpu.nextCompletionAt(0), 1_000)
  assert.deepEqual(cpu.advance(1_000), ["a", "b"])
})

test("a short job that arrives in the middle overtakes, and delays the long one by its own work", () => {
  // Alone until 400 ms, "long" has 6 of 10 units left. Both at 5 units/s: "short" (1 unit) ends at 600 ms.
  // "long" then has 5 left and is alone again: 600 + 500 ms.
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("long", 10, 0)
  cpu.add("short", 1, 400)

  assert.equal(cpu.nextCompletionAt(400), 600)
  assert.deepEqual(cpu.advance(600), ["short"])
  assert.equal(cpu.nextCompletionAt(600), 1_100)
  assert.deepEqual(cpu.advance(1_100), ["long"])
})

test("a late look finds the same completions, each at the rate of its time", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("long", 10, 0)
  cpu.add("short", 1, 400)

  // Added after both have completed unseen: it must not have slowed them.
  cpu.add("late", 1, 2_000)
  assert.equal(cpu.nextCompletionAt(2_000), 2_000)
  assert.deepEqual(cpu.advance(2_000), ["short", "long"])
  assert.equal(cpu.nextCompletionAt(2_000), 2_100)
})

test("no job takes more than a lane, and the lanes share once the capacity is short", () => {
  // Capacity 4, lane 1. Two jobs: 1 unit/s each. Eight: half a unit/s each.
  const cpu = new ProcessorSharing<number>(4, 1)
  cpu.add(0, 1, 0)
  cpu.add(1, 1, 0)
  assert.equal(cpu.nextCompletionAt(0), 1_000)
  assert.equal(cpu.busyMs(500), 250)

  for (let job = 2; job < 8; job++) cpu.add(job, 1, 500)
  assert.equal(cpu.nextCompletionAt(500), 1_500)
  assert.deepEqual(cpu.advance(1_500), [0, 1])
  assert.equal(cpu.busyMs(1_500), 1_250)
})

test("an abort gives its share to the others and tells the work it had left", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 10, 0)
  cpu.add("b", 10, 0)

  assert.equal(cpu.remove("b", 1_000), 5)
  assert.equal(cpu.remove("b", 1_000), undefined)
  assert.equal(cpu.nextCompletionAt(1_000), 1_500)
  assert.equal(cpu.jobs, 1)
})

test("an abort at the very end comes too late", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 10, 0)

  assert.equal(cpu.remove("a", 1_000), undefined)
  assert.deepEqual(cpu.advance(1_000), ["a"])
})

test("no work completes at once, and delays no other", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 10, 0)
  cpu.add("nothing", 0, 300)

  assert.equal(cpu.nextCompletionAt(300), 300)
  assert.deepEqual(cpu.advance(300), ["nothing"])
  assert.equal(cpu.nextCompletionAt(300), 1_000)
})

test("without capacity only jobs without work complete", () => {
  const cpu = new ProcessorSharing<string>(0)
  cpu.add("nothing", 0, 0)
  cpu.add("something", 1e-9, 0)

  assert.deepEqual(cpu.advance(1e12), ["nothing"])
  assert.equal(cpu.nextCompletionAt(1e12), undefined)
  assert.equal(cpu.busyMs(1e12), 0)
})

test("a change of capacity leaves what was done and changes what follows", () => {
  // 10 units: 5 of them in the first 500 ms, at half the speed the rest takes 1000 ms, and nothing while it stands still.
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 10, 0)
  cpu.setCapacity(5, 500)
  assert.equal(cpu.nextCompletionAt(500), 1_500)
  cpu.setCapacity(0, 1_000)
  assert.equal(cpu.nextCompletionAt(1_000), undefined)
  assert.deepEqual(cpu.advance(9_000), [])
  cpu.setCapacity(10, 9_000)
  assert.equal(cpu.nextCompletionAt(9_000), 9_250)
  assert.throws(() => cpu.setCapacity(NaN, 9_000), RangeError)
})

test("busy time stands still while there are no jobs", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 10, 5_000)

  assert.equal(cpu.busyMs(5_000), 0)
  assert.equal(cpu.busyMs(5_500), 500)
  assert.equal(cpu.busyMs(9_000), 1_000)
})

test("refuses numbers that are none, and a job twice", () => {
  const cpu = new ProcessorSharing<string>(10)
  cpu.add("a", 1, 0)

  assert.throws(() => cpu.add("a", 1, 0), /already/)
  for (const work of [-1, NaN, Infinity]) assert.throws(() => cpu.add("b", work, 0), RangeError)
  for (const capacity of [-1, NaN, Infinity]) assert.throws(() => new ProcessorSharing(capacity), RangeError)
  for (const laneMax of [-1, 0, NaN]) assert.throws(() => new ProcessorSharing(1, laneMax), RangeError)
})

interface Arrival {
  readonly at: number
  readonly work: number
}

const arrivals = fc
  .array(fc.record({ at: fc.nat(2_000), work: fc.double({ min: 0, max: 50, noNaN: true }) }), {
    maxLength: 40,
    size: "max",
  })
  .map((found) => found.toSorted((a, b) => a.at - b.at))
const capacities = fc.double({ min: 0.1, max: 1_000, noNaN: true })
const lanes = fc.oneof(fc.constant(Infinity), fc.double({ min: 0.05, max: 1_000, noNaN: true }))

/** Goes from event to event; returns when each arrival completed, and the busy time at the end. */
function run(cpu: ProcessorSharing<Arrival>, jobs: readonly Arrival[]): [Map<Arrival, number>, number] {
  const ends = new Map<Arrival, number>()
  let now = 0
  let next = 0
  for (;;) {
    const completion = cpu.nextCompletionAt(now)
    const arrival = jobs[next]
    if (completion === undefined && arrival === undefined) return [ends, cpu.busyMs(now)]
    if (arrival !== undefined && (completion === undefined || arrival.at < completion)) {
      now = arrival.at
      next++
      cpu.add(arrival, arrival.work, now)
      continue
    }
    now = completion!
    const completed = cpu.advance(now)
    assert.ok(completed.length > 0, "a completion that was promised did not come")
    for (const job of completed) ends.set(job, now)
  }
}

/** The definition, naively: every job's remaining work is reduced at every event. */
function byDefinition(capacity: number, laneMax: number, jobs: readonly Arrival[]): Map<Arrival, number> {
  const ends = new Map<Arrival, number>()
  const left = new Map<Arrival, number>()
  let now = 0
  let next = 0
  while (next < jobs.length || left.size > 0) {
    const rate = Math.min(capacity / left.size, laneMax) / 1_000
    const completion = now + Math.min(...left.values()) / rate
    const arrivalAt = jobs[next]?.at ?? Infinity
    const then = left.size > 0 ? Math.min(completion, arrivalAt) : arrivalAt
    for (const [job, work] of left) left.set(job, work - (then - now) * rate)
    now = then
    for (const [job, work] of left) {
      if (work <= 1e-9) {
        left.delete(job)
        ends.set(job, now)
      }
    }
    if (arrivalAt <= then) left.set(jobs[next]!, jobs[next++]!.work)
  }
  return ends
}

test("completes every job when the definition says", () => {
  fc.assert(
    fc.property(arrivals, capacities, lanes, (jobs, capacity, laneMax) => {
      const [ends] = run(new ProcessorSharing(capacity, laneMax), jobs)
      // The definition rounds a remainder of 1e-9 units off; at the slowest rate here, shared by all, that is:
      const toleranceMs = 1e-6 + (1e-9 / Math.min(capacity / 40, laneMax)) * 1_000 * jobs.length

      for (const [job, end] of byDefinition(capacity, laneMax, jobs)) {
        assert.ok(
          Math.abs(ends.get(job)! - end) <= toleranceMs + end * 1e-9,
          `${ends.get(job)} is not ${end}`,
        )
      }
      assert.equal(ends.size, jobs.length)
    }),
  )
})

test("work is conserved: busy time is the work of all jobs over the capacity", () => {
  fc.assert(
    fc.property(arrivals, capacities, lanes, (jobs, capacity, laneMax) => {
      const [, busyMs] = run(new ProcessorSharing(capacity, laneMax), jobs)
      const work = jobs.reduce((sum, job) => sum + job.work, 0)

      assert.ok(Math.abs((busyMs / 1_000) * capacity - work) <= 1e-6 * (1 + work))
    }),
  )
})

test("work is conserved when jobs are aborted: what was done and what was left make the whole", () => {
  const aborts = fc.array(fc.tuple(fc.nat(39), fc.nat(3_000)), { maxLength: 20, size: "max" })
  fc.assert(
    fc.property(arrivals, aborts, capacities, (jobs, aborts, capacity) => {
      const cpu = new ProcessorSharing<Arrival>(capacity)
      const events = [
        ...jobs.map((job) => ({ at: job.at, run: () => cpu.add(job, job.work, job.at) })),
        ...aborts.map(([which, at]) => ({
          at,
          run: () => {
            const job = jobs[which]
            left += (job === undefined ? undefined : cpu.remove(job, at)) ?? 0
          },
        })),
      ].toSorted((a, b) => a.at - b.at)
      let left = 0
      for (const event of events) event.run()
      const busyMs = cpu.busyMs(1e9)
      assert.equal(cpu.jobs, 0)
      const work = jobs.reduce((sum, job) => sum + job.work, 0)

      assert.ok(Math.abs((busyMs / 1_000) * capacity + left - work) <= 1e-6 * (1 + work))
    }),
  )
})

test("jobs of equal work complete in the order of arrival", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500), { maxLength: 60, size: "max" }), capacities, (times, capacity) => {
      const cpu = new ProcessorSharing<number>(capacity)
      const sorted = times.toSorted((a, b) => a - b)
      for (const [job, at] of sorted.entries()) cpu.add(job, 7, at)

      assert.deepEqual(
        cpu.advance(1e9),
        sorted.map((_, job) => job),
      )
    }),
  )
})

test("never promises a completion that does not come, at any magnitude of work and time", () => {
  // From 1e-15 units to 1e9, at times where a float tells 1e-4 ms apart: run() asserts progress at each event,
  // and there is at most one event per arrival and one per job, so nothing can spin.
  const magnitudes = fc
    .tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -15, max: 9 }))
    .map(([digits, exponent]) => digits * 10 ** exponent)
  const extreme = fc.record({ at: fc.nat(1e6).map((ms) => 1e12 + ms / 7), work: magnitudes })
  fc.assert(
    fc.property(fc.array(extreme, { maxLength: 50, size: "max" }), capacities, (found, capacity) => {
      const jobs = found.toSorted((a, b) => a.at - b.at)

      assert.equal(run(new ProcessorSharing(capacity), jobs)[0].size, jobs.length)
    }),
  )
})

test("whichever job leaves, the rest complete in order of work, then of arrival", () => {
  const works = fc.array(fc.tuple(fc.nat(30), fc.boolean()), { maxLength: 120, size: "max" })
  fc.assert(
    fc.property(works, (found) => {
      const cpu = new ProcessorSharing<number>(10)
      for (const [job, [work]] of found.entries()) cpu.add(job, work + 1, 0)
      for (const [job, [, leaves]] of found.entries()) if (leaves) cpu.remove(job, 0)

      const stay = [...found.keys()].filter((job) => !found[job]![1])
      assert.deepEqual(
        cpu.advance(1e9),
        stay.toSorted((a, b) => found[a]![0] - found[b]![0]),
      )
    }),
  )
})

test("a great past does not blur a small present", () => {
  const cpu = new ProcessorSharing<string>(1e6)
  cpu.add("great", 1e16, 0)
  assert.deepEqual(cpu.advance(1e13), ["great"])

  // At a virtual time of 1e16 a float could not tell five units from four or six. (The clock itself, at 1e13 ms,
  // tells 0.002 ms apart; five units last five times that.)
  cpu.add("small", 0.5e6, 1e13)
  cpu.add("smaller", 5, 1e13)
  assert.equal(cpu.remove("smaller", 1e13), 5)
  assert.equal(cpu.nextCompletionAt(1e13), 1e13 + 500)
})
