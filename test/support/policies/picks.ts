// What a policy picks, counted and spelled out.
import type { Backend } from "../../../src/core/backend.ts"
import type { Policy } from "../../../src/policies/policy.ts"
import { request } from "../backends.ts"

type Admits = (backend: Backend) => boolean

/** The ids of so many picks in a row, `-` for none. */
export function order(policy: Policy, count: number, admits?: Admits): string {
  const asked = request([1, 1], admits)
  return Array.from({ length: count }, () => policy.pick(asked)?.id ?? "-").join("")
}

/** How many of so many picks each of these won. */
export function wins(policy: Policy, members: readonly Backend[], count: number, admits?: Admits): number[] {
  const asked = request([1, 1], admits)
  const won = members.map(() => 0)
  for (let i = 0; i < count; i++) won[members.indexOf(policy.pick(asked)!)]!++
  return won
}

/** Four standard deviations of a binomial: of a fair run, one in 16,000 is further off. */
export function fourSigma(count: number, probability: number): number {
  return 4 * Math.sqrt(count * probability * (1 - probability))
}

/** What is wrong with these wins, when each should have had its probability within 4σ; "" when nothing is. */
export function unlikely(won: readonly number[], probabilities: readonly number[]): string {
  const count = won.reduce((sum, one) => sum + one, 0)
  return won.some((one, i) => Math.abs(one - count * probabilities[i]!) > fourSigma(count, probabilities[i]!))
    ? `won ${won.join(", ")}; expected ${probabilities.map((p) => Math.round(p * count)).join(", ")}`
    : ""
}
