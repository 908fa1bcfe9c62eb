import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { RoundRobin } from "./round-robin.ts"

function turns(policy: RoundRobin, count: number, admits?: (backend: Backend) => boolean): string {
  return Array.from({ length: count }, () => policy.pick(request([1, 1], admits))?.id ?? "-").join("")
}

test("every member has a turn in order of registration, whatever it weighs or carries", () => {
  const policy = new RoundRobin()
  policy.rebuild(fleet({ weight: 9 }, { inFlight: 50 }, {}))
  assert.equal(turns(policy, 7), "abcabca")
})

test("a member that is not admitted loses its turn to the next", () => {
  const policy = new RoundRobin()
  policy.rebuild(fleet({}, {}, {}))
  assert.equal(
    turns(policy, 5, ({ id }) => id !== "b"),
    "acaca",
  )
})

test("a change of membership keeps the turn where it was", () => {
  const policy = new RoundRobin()
  const [a, b, c, d] = fleet({}, {}, {}, {})
  policy.rebuild([a!, b!, c!])
  assert.equal(turns(policy, 1), "a")
  policy.rebuild([a!, b!, c!, d!])
  assert.equal(turns(policy, 5), "bcdab")
  policy.rebuild([d!, b!])
  assert.equal(turns(policy, 3), "dbd", "c was due and has left, so d is")
})

test("changes before every pick do not favour the first", () => {
  const policy = new RoundRobin()
  let order = ""
  for (let i = 0; i < 6; i++) {
    policy.rebuild(fleet({}, {}, {}))
    order += turns(policy, 1)
  }
  assert.equal(order, "abcabc")
})

test("a whole new membership starts at its first", () => {
  const policy = new RoundRobin()
  policy.rebuild(fleet({}, {}))
  turns(policy, 1)
  policy.rebuild(fleet({ id: "x" }, { id: "y" }))
  assert.equal(turns(policy, 3), "xyx")
})
