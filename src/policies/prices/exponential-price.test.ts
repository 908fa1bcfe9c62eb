import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { fleet, ofCapacity, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import type { ResourceTable } from "../../core/resources.ts"
import { seeded } from "../../core/rng.ts"
import { ExponentialPrice } from "./exponential-price.ts"
import { Price } from "./price.ts"

function picked(
  members: readonly FakeBackend[],
  demand: readonly number[],
  resources: ResourceTable,
  parameters: Readonly<Record<string, number>> = {},
): number {
  const context = { rng: seeded(1), resources, parameters: { betaRate: 2, betaSpace: 6, ...parameters } }
  const policy = new ExponentialPrice(context)
  policy.rebuild(members)
  return members.indexOf(policy.pick(request(demand)) as FakeBackend)
}

const rates = resourcesOf("rate", "rate")
const spaces = resourcesOf("space", "space")

test("the potential rises least where the request goes", () => {
  const amounts = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }))
  const traits = fc.record({ capacity: amounts, reserved: amounts })
  const list = fc.array(traits, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(list, amounts, (members, demand) => {
      const rises = members.map(({ capacity, reserved }) => {
        const at = (more: number): number =>
          capacity.reduce(
            (sum, c, r) => sum + c * Math.exp((0.5 * (reserved[r]! + more * demand[r]!)) / c),
            0,
          )
        return at(1) - at(0)
      })
      const place = picked(fleet(...members), demand, rates, { betaRate: 0.5 })
      // Relative, as the difference here is one of two numbers that may be large.
      assert.ok(rises[place]! <= Math.min(...rises) * (1 + 1e-6))
    }),
    { seed: 1, numRuns: 300 },
  )
})

test("each of two kinds of request goes to the server made for it, until both are full", () => {
  for (const resources of [rates, spaces]) {
    const members = ofCapacity([2, 12], [12, 2])
    for (let i = 0; i < 10; i++) {
      for (const [server, demand] of [
        [0, [0.2, 1]],
        [1, [1, 0.2]],
      ] as const) {
        assert.equal(picked(members, demand, resources), server, `request ${i} of ${server}`)
        members[server]!.load.hold(Float64Array.from(demand))
      }
    }
  }
})

test("one resource that is scarce weighs more than two that are half as scarce, where a straight line has it otherwise", () => {
  // Backlogs of 2 s and 2 s against 0 s and 3.9 s. A line adds up 4 and 3.9; e^4 + e^4 is 109 and e^7.8 is 2,441.
  const members = fleet({ capacity: [1, 1], reserved: [2, 2] }, { capacity: [1, 1], reserved: [0, 3.9] })
  assert.equal(picked(members, [0.01, 0.01], rates), 0)
  const straight = new Price({ rng: seeded(1), resources: rates, parameters: {} })
  straight.rebuild(members)
  assert.equal(straight.pick(request([0.01, 0.01])), members[1])
})

test("a space is never filled beyond its end while another has room", () => {
  const members = fleet({ capacity: [10, 10], reserved: [9, 0] }, { capacity: [10, 10], reserved: [0, 9.4] })
  assert.equal(picked(members, [2, 0.5], spaces), 1)
  assert.equal(picked(ofCapacity([0, 50], [1, 1]), [1, 1], rates), 1)
})

test("loads too large for an exponential are still told apart, and the lesser wins", () => {
  // 400, 1,000 and 1,001 seconds of backlog are e^800 and more.
  const members = fleet({ capacity: [1, 1], reserved: [1001, 0] }, { capacity: [1, 1], reserved: [1000, 0] })
  assert.equal(picked(members, [1, 0], rates), 1)
  const mixed = fleet({ capacity: [1, 1], reserved: [400, 0] }, { capacity: [1, 1], reserved: [1000, 0] })
  assert.equal(picked(mixed, [1, 0], rates), 0)
  // Across the border from exponential to parabola.
  const border = fleet({ capacity: [1, 1], reserved: [249.9, 0] }, { capacity: [1, 1], reserved: [249.8, 0] })
  assert.equal(picked(border, [0.5, 0], rates), 1)
})
