// Policies for tests of the simulator: simple ones that theory knows, and one that writes down what it is told.
import type { Backend } from "../../../src/core/backend.ts"
import type { LoadReport } from "../../../src/core/load-report.ts"
import type { Millis } from "../../../src/core/clock.ts"
import type { Outcome, PickRequest, Policy, PolicyContext } from "../../../src/policies/policy.ts"
import type { PolicyFactory } from "../../../src/sim/run.ts"

/** A backend at random, of those that the request admits. */
export const atRandom: PolicyFactory = choosing(
  "at-random",
  (members, { rng }) => members[rng.below(members.length)],
)

/** The one with fewer attempts of two at random. */
export const betterOfTwo: PolicyFactory = choosing("better-of-two", (members, { rng }) => {
  const a = members[rng.below(members.length)]
  const b = members[rng.below(members.length)]
  return a !== undefined && b !== undefined && b.load.inFlight < a.load.inFlight ? b : a
})

/** The one with the fewest attempts, ties at random. */
export const shortestQueue: PolicyFactory = choosing("shortest-queue", (members, { rng }) => {
  const fewest = Math.min(...members.map(({ load }) => load.inFlight))
  const tied = members.filter(({ load }) => load.inFlight === fewest)
  return tied[rng.below(tied.length)]
})

function choosing(
  name: string,
  choose: (members: readonly Backend[], context: Omit<PolicyContext, "parameters">) => Backend | undefined,
): PolicyFactory {
  return {
    name,
    make: (context) => {
      let members: readonly Backend[] = []
      return {
        name,
        rebuild: (found) => {
          members = found
        },
        pick: (request) =>
          choose(
            members.filter((backend) => request.admits(backend)),
            context,
          ),
      }
    },
  }
}

/** What a policy was told. */
export interface Told {
  begun: number
  readonly settled: (Outcome & { readonly backend: string; readonly at: Millis })[]
  readonly reports: {
    readonly backend: string
    readonly at: Millis
    readonly cost: number[]
    readonly utilization: number[]
  }[]
  readonly demands: number[][]
  readonly members: { readonly at: Millis; readonly ids: string[] }[]
  readonly policies: Policy[]
}

/** Chooses at random and writes down what it is told; `told` is one for all balancers. */
export function spy(choose: PolicyFactory = atRandom): {
  readonly factory: PolicyFactory
  readonly told: Told
} {
  const told: Told = { begun: 0, settled: [], reports: [], demands: [], members: [], policies: [] }
  const make = (context: Omit<PolicyContext, "parameters">): Policy => {
    const inner = choose.make(context)
    let latest = 0
    const policy: Policy = {
      name: "spy",
      rebuild: (members) => {
        told.members.push({ at: latest, ids: members.map(({ id }) => id) })
        inner.rebuild(members)
      },
      pick: (request: PickRequest) => {
        latest = request.now
        told.demands.push([...request.demand])
        return inner.pick(request)
      },
      onBegun: () => void told.begun++,
      onSettled: (backend, outcome, now) => {
        latest = now
        told.settled.push({ ...outcome, backend: backend.id, at: now })
      },
      onReport: (backend, report: LoadReport, now) => {
        const cost = [...report.requestCost]
        told.reports.push({ backend: backend.id, at: now, cost, utilization: [...report.utilization] })
      },
    }
    told.policies.push(policy)
    return policy
  }
  return { factory: { name: "spy", make }, told }
}
