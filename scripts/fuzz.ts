/**
 * What must hold for any bytes, tried on many (`npm run fuzz -- --inputs 200000 --seed 7`): the properties of
 * test/support/wire/fuzz-properties.ts, in turns, for as many inputs in all. Prints the totals of each, the seed, the time,
 * and of every property that fails the smallest input; the exit code is then 1. Without --seed it takes a new one.
 */
import { parseArgs } from "node:util"
import fc from "fast-check"
import { properties, type Property } from "../test/support/wire/fuzz-properties.ts"
import { withoutCorpora } from "../test/support/wire/wire-corpus.ts"

const { values } = parseArgs({
  options: { inputs: { type: "string", default: "200000" }, seed: { type: "string" } },
})
const inputs = Number(values.inputs)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
if (!Number.isInteger(inputs) || inputs < properties.length || !Number.isInteger(seed)) {
  console.error("usage: npm run fuzz -- [--inputs NUMBER] [--seed INTEGER]")
  process.exit(2)
}

/** Inputs of one run: fast-check keeps what it needs to shrink for the length of a run. */
const runInputs = 20_000

interface Total {
  readonly property: Property
  readonly counts: Map<string, number>
  inputs: number
  failure: string | undefined
}

async function tryProperty(
  { property, counts }: Total,
  numRuns: number,
  seed: number,
): Promise<string | undefined> {
  const told = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const result = await fc.check(property.make(told), { numRuns, seed, endOnFailure: false })
  if (!result.failed) return undefined
  const cause =
    result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance)
  return `seed ${result.seed}, path ${result.counterexamplePath}: ${cause}`
}

console.log(
  `seed ${seed}, ${inputs} inputs${withoutCorpora === false ? "" : `; no seeds: ${withoutCorpora}`}`,
)
const startedAt = performance.now()
const totals = properties.map((property): Total => ({
  property,
  counts: new Map(),
  inputs: 0,
  failure: undefined,
}))
const share = Math.ceil(inputs / properties.length)
for (const total of totals) {
  for (let run = 0; total.inputs < share && total.failure === undefined; run++) {
    const numRuns = Math.min(runInputs, share - total.inputs)
    total.failure = await tryProperty(total, numRuns, seed + run)
    total.inputs += numRuns
  }
  const counts = Array.from(total.counts, ([kind, count]) => `${kind} ${count}`).join(", ")
  console.log(`${total.failure === undefined ? "holds " : "FAILED"} ${total.property.name}`)
  console.log(`       ${total.inputs} inputs: ${counts}`)
  if (total.failure !== undefined) console.log(`       ${total.failure}`)
}
const seconds = (performance.now() - startedAt) / 1_000
const failed = totals.filter(({ failure }) => failure !== undefined).length
console.log(`${failed} of ${totals.length} failed, ${seconds.toFixed(1)} s`)
process.exitCode = failed === 0 ? 0 : 1
