// Members as the registry has them.
import assert from "node:assert/strict"
import type { Address, Member } from "../../src/membership/snapshot.ts"
import { parseBackendId } from "../../src/core/backend.ts"

/** The member in this row of the load table. */
export function memberAt(slot: number, address: Address, capacity: Member["capacity"]): Member {
  const id = parseBackendId(`b${slot}`)
  assert.ok(id !== undefined)
  return {
    id,
    slot,
    generation: 1,
    incarnation: undefined,
    address,
    scheme: "http",
    capacity,
    weight: 1,
    zone: undefined,
    version: undefined,
    labels: {},
    state: "serving",
    reason: "",
    keptBy: "renewals",
  }
}
