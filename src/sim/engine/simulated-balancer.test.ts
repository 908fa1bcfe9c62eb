import assert from "node:assert/strict"
import { test } from "node:test"
import { resourcesOf } from "../../../test/support/backends.ts"
import { snapshotOf } from "../../../test/support/learning-fleet.ts"
import type { Backend } from "../../core/backend.ts"
import type { Policy } from "../../policies/policy.ts"
import { SimulatedBalancer } from "./simulated-balancer.ts"

const one = Float64Array.of(1)

/** A balancer before one backend with room for two, and before the routes 0 to 2. */
function balancerWith(policy: Policy): SimulatedBalancer {
  const balancer = new SimulatedBalancer({
    resources: resourcesOf("space"),
    slots: 2,
    policy,
    indexOf: new Map([["b0", 0]]),
    tiers: [0],
    prior: one,
    routes: 3,
    queueMax: 10,
  })
  balancer.apply(snapshotOf([[2]]), 0)
  balancer.choice.demand = one
  return balancer
}

/** Takes the first member, in one case whether the request admits it or not. */
function first(listens: boolean): Policy {
  let members: readonly Backend[] = []
  return {
    name: "first",
    rebuild: (found) => {
      members = found
    },
    pick: (request) => members.find((member) => !listens || request.admits(member)),
  }
}

test("of routes that have nothing in flight, be it no more or not yet, whoever came first is next", () => {
  const balancer = balancerWith(first(true))
  const { choice, queue } = balancer
  choice.route = 1
  const attempt = balancer.place(balancer.unitsOf(1))!
  balancer.outcome.route = 1
  balancer.settle(attempt, one, 0)

  queue.push(10, 1, one, 1_000)
  queue.push(20, 2, one, 1_000)
  assert.equal(queue.next()?.item, 10)
})

test("a policy that insists on a backend without room places nothing, and comes to an end", () => {
  const balancer = balancerWith(first(false))

  assert.ok(balancer.place(balancer.unitsOf(1)))
  assert.ok(balancer.place(balancer.unitsOf(1)))
  assert.equal(balancer.place(balancer.unitsOf(1)), undefined)
})
