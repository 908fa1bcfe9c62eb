import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../core/rng.ts"
import { type Phase, Schedule } from "./schedule.ts"

function all(phases: readonly Phase[], part = 1, offset = 0, seed?: number): number[] {
  const schedule = new Schedule(phases, part, offset, seed === undefined ? undefined : seeded(seed))
  const times: number[] = []
  while (schedule.next < Infinity) times.push(schedule.take())
  return times
}

const near = (actual: number, expected: number, tolerance: number): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} for ${expected}`)

test("a constant rate is even: 100 per second are 10 ms apart", () => {
  const times = all([{ from: 100, to: 100, ms: 1_000 }])
  assert.equal(times.length, 100)
  for (const [n, time] of times.entries()) near(time, n * 10, 1e-9)
})

test("four threads with a quarter each and offsets of a quarter are one even stream", () => {
  const phases = [{ from: 100, to: 100, ms: 1_000 }]
  const times = [0, 0.25, 0.5, 0.75].flatMap((offset) => all(phases, 0.25, offset)).toSorted((a, b) => a - b)
  assert.equal(times.length, 100)
  for (const [n, time] of times.entries()) near(time, n * 10, 1e-9)
})

test("a ramp from 0 to 200 per second sends a quarter of its requests in its first half", () => {
  const times = all([{ from: 0, to: 200, ms: 10_000 }])
  assert.equal(times.length, 1_000)
  near(times.filter((time) => time < 5_000).length, 250, 1)
})

test("a ramp down ends where it should", () => {
  const times = all([{ from: 200, to: 0, ms: 10_000 }])
  assert.equal(times.length, 1_000)
  near(times.filter((time) => time < 5_000).length, 750, 1)
  assert.ok(times.at(-1)! < 10_000)
})

test("steps follow one another, and a pause sends nothing", () => {
  const times = all([
    { from: 10, to: 10, ms: 1_000 },
    { from: 0, to: 0, ms: 1_000 },
    { from: 20, to: 20, ms: 1_000 },
  ])
  assert.equal(times.filter((time) => time < 1_000).length, 10)
  assert.equal(times.filter((time) => time >= 1_000 && time < 2_000).length, 0)
  assert.equal(times.filter((time) => time >= 2_000).length, 20)
})

test("no request is lost where a phase ends within a gap", () => {
  // 2.5 and 7.5 requests' worth of rate: ten in all.
  const times = all([
    { from: 2.5, to: 2.5, ms: 1_000 },
    { from: 7.5, to: 7.5, ms: 1_000 },
  ])
  assert.equal(times.length, 10)
})

test("Poisson arrivals have the rate and the spread of exponential gaps", () => {
  const times = all([{ from: 1_000, to: 1_000, ms: 100_000 }], 1, 0, 1)
  // A Poisson count of mean 100,000 has σ = 316: 4σ.
  near(times.length, 100_000, 1_265)
  const gaps = times.slice(1).map((time, n) => time - times[n]!)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
  // The squared coefficient of variation is 1; its estimate has σ ≈ √(8/n) = 0.009: 4σ.
  near(variance / mean ** 2, 1, 0.036)
})

test("the same seed gives the same times, another gives others", () => {
  const phases = [{ from: 100, to: 300, ms: 2_000 }]
  assert.deepEqual(all(phases, 1, 0, 7), all(phases, 1, 0, 7))
  assert.notDeepEqual(all(phases, 1, 0, 7), all(phases, 1, 0, 8))
})

test("times never go back, whatever the phases", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const rng = seeded(seed)
    const phases = Array.from({ length: 5 }, () => ({
      from: rng.below(3) * 50,
      to: rng.below(3) * 50,
      ms: 100 + rng.below(900),
    }))
    const times = all(phases, 1, 0, seed % 2 === 0 ? seed : undefined)
    for (const [n, time] of times.entries()) assert.ok(n === 0 || time >= times[n - 1]!, `seed ${seed}`)
    assert.ok((times.at(-1) ?? 0) <= Schedule.lengthOf(phases))
  }
})
