import assert from "node:assert/strict"
import { test } from "node:test"
import { backend, request } from "../../../test/support/backends.ts"
import { inFlight } from "./load-metrics.ts"

test("in flight counts per unit of weight", () => {
  assert.equal(inFlight(backend({ inFlight: 6, weight: 4 }), request()), 1.5)
  assert.equal(inFlight(backend({ weight: 0.1 }), request()), 0)
})
