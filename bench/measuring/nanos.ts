/** How long one call takes: the shared measure of the micro-benchmarks. */
import { performance } from "node:perf_hooks"
import { type Spread, spreadOf } from "./statistics.ts"

const warmUpMs = 200
const roundMs = 40
const rounds = 9

/** Every result ends up here, or the compiler might leave out the work that it came from. */
let kept = 0

/** Nanoseconds of one call over several rounds. The subject returns a number that depends on what it did. */
export function nanosPerCall(subject: () => number): Spread {
  let calls = 1
  let tookMs = 0
  const warmUntil = performance.now() + warmUpMs
  while (performance.now() < warmUntil || tookMs < 1) {
    tookMs = timed(subject, calls)
    if (tookMs < 1) calls *= 2
  }
  const perRound = Math.max(1, Math.round((calls * roundMs) / tookMs))
  const nanos = Array.from({ length: rounds }, () => (timed(subject, perRound) * 1e6) / perRound)
  if (!Number.isFinite(kept)) throw new Error("a subject returned no number")
  return spreadOf(nanos)
}

function timed(subject: () => number, calls: number): number {
  let sum = 0
  const start = performance.now()
  for (let i = 0; i < calls; i++) sum += subject()
  const took = performance.now() - start
  kept += sum
  return took
}
