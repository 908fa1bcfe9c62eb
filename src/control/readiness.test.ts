import assert from "node:assert/strict"
import { test } from "node:test"
import { unreadiness } from "./readiness.ts"

const ready = { isStopping: false, threadsReady: true, backends: 2, eligible: 1 }

test("a balancer is ready while its threads listen, a backend may take traffic, and it does not stop", () => {
  assert.equal(unreadiness(ready), undefined)
  assert.match(unreadiness({ ...ready, isStopping: true })!, /stopping/)
  assert.match(unreadiness({ ...ready, threadsReady: false })!, /thread/)
  assert.match(unreadiness({ ...ready, backends: 0, eligible: 0 })!, /No backend has announced itself/)
  assert.match(unreadiness({ ...ready, eligible: 0 })!, /None of 2 backends/)
})
