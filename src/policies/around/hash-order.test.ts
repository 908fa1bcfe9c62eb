import assert from "node:assert/strict"
import { test } from "node:test"
import { backends } from "../../../test/support/backends.ts"
import { hashOrder } from "./hash-order.ts"

const members = backends(...Array.from({ length: 20 }, () => 0))

test("the order does not depend on the order of registration", () => {
  assert.deepEqual(hashOrder(members.toReversed(), 7), hashOrder(members, 7))
  assert.deepEqual(new Set(hashOrder(members, 7)), new Set(members))
})

test("a member that leaves moves none of the others", () => {
  const order = hashOrder(members)
  for (const gone of members) {
    assert.deepEqual(
      hashOrder(members.filter((member) => member !== gone)),
      order.filter((member) => member !== gone),
    )
  }
})

test("another seed is another order", () => {
  assert.notDeepEqual(hashOrder(members, 1), hashOrder(members, 2))
})
