import type { TestContext } from "node:test"
import { type Rng, seeded } from "../../src/core/rng.ts"

/** Chance that a failing run can repeat (`STORM_SEED`), and what was thrown while the test ran. */
export function storm(t: TestContext): {
  readonly seed: number
  readonly rng: Rng
  readonly chance: (share: number) => boolean
  readonly uncaught: readonly unknown[]
} {
  const seed = Number(process.env["STORM_SEED"] ?? Date.now() % 1_000_000)
  t.diagnostic(`STORM_SEED=${seed}`)
  const rng = seeded(seed)
  const uncaught: unknown[] = []
  const note = (error: unknown): void => void uncaught.push(error)
  process.on("uncaughtExceptionMonitor", note)
  t.after(() => void process.off("uncaughtExceptionMonitor", note))
  return { seed, rng, chance: (share) => rng.next() < share, uncaught }
}
