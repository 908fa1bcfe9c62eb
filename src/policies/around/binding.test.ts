import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request } from "../../../test/support/backends.ts"
import type { Backend, BackendId } from "../../core/backend.ts"
import { Binding } from "./binding.ts"
import { RoundRobin } from "../turns/round-robin.ts"

function boundTo(id: string | undefined, admits?: (backend: Backend) => boolean) {
  return request([1, 1], admits, undefined, { boundTo: id as BackendId | undefined })
}

test("a client goes to the backend it is bound to, and no turn is used up", () => {
  const policy = new Binding(new RoundRobin())
  policy.rebuild(fleet({}, {}, {}))
  const ids = ["c", undefined, "c", "c", undefined].map((id) => policy.pick(boundTo(id))?.id)
  assert.deepEqual(ids, ["c", "a", "c", "c", "b"])
})

test("a client whose backend has left or is not admitted goes where others go", () => {
  const policy = new Binding(new RoundRobin())
  policy.rebuild(fleet({}, {}))
  assert.equal(policy.pick(boundTo("gone"))?.id, "a")
  assert.equal(policy.pick(boundTo("a", ({ id }) => id !== "a"))?.id, "b")
  assert.equal(policy.pick(boundTo("a", () => false)), undefined)
  policy.rebuild(fleet({ id: "z" }))
  assert.equal(policy.pick(boundTo("a"))?.id, "z")
})

test("a backend that comes back as another object is found as that", () => {
  const policy = new Binding(new RoundRobin())
  policy.rebuild(fleet({}, {}))
  const [, renewed] = fleet({}, { weight: 2 })
  policy.rebuild([renewed!])
  assert.equal(policy.pick(boundTo("b")), renewed)
})
