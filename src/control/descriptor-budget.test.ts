import assert from "node:assert/strict"
import { test } from "node:test"
import { budgetOf, descriptorLimit, descriptorsUsed } from "./descriptor-budget.ts"

test("all parts together never need more than there is, from a small limit to a large one", () => {
  for (const most of [128, 256, 1_024, 65_536, 1_048_576]) {
    for (const threads of [1, 2, 4]) {
      const used = 25
      const { connections, clients, registration, admin, checks } = budgetOf(most, used, threads)
      // 7 descriptors of a thread were counted in /proc; 8 are its due, and one that it accepts to close at once.
      const all = used + 9 * threads + connections + registration + admin + checks
      assert.ok(all <= most, `${all} of ${most} with ${threads} threads`)
      assert.ok(clients < connections)
    }
  }
})

test("most of many descriptors are for traffic", () => {
  assert.ok(budgetOf(65_536, 25, 2).connections > 50_000)
})

test("with next to none there is still a balancer", () => {
  assert.deepEqual(budgetOf(20, 25, 2), { connections: 8, clients: 6, registration: 4, admin: 4, checks: 4 })
})

test("the limit is read as Linux writes it", () => {
  const text =
    "Limit            Soft Limit  Hard Limit  Units\nMax open files            1024         524288     files\n"
  assert.equal(descriptorLimit(text), 1_024)
  assert.equal(descriptorLimit("Max open files            unlimited    unlimited  files\n"), undefined)
  assert.equal(descriptorLimit(undefined) === undefined, process.platform !== "linux")
  assert.ok(descriptorsUsed() > 3)
})
