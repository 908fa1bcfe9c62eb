import assert from "node:assert/strict"
import { test } from "node:test"
import { configOf } from "../../test/support/settings.ts"
import { dataPlaneSettings } from "./options.ts"

test("a data plane gets its sections as they are, and no secret of the control plane", () => {
  const config = configOf({
    registration: { token: "secret-of-backends" },
    admin: { token: "secret-of-operators" },
    cookieKey: "secret-of-cookies",
    limits: { queueMax: 7 },
    timeouts: { connect: "7s" },
  })
  const told = dataPlaneSettings(config)
  for (const [name, section] of Object.entries(told)) assert.equal(section, config[name as keyof typeof told])
  assert.deepEqual([told.limits.queueMax, told.timeouts.connectMs], [7, 7_000])
  assert.doesNotMatch(JSON.stringify(told), /secret/)
  assert.deepEqual(structuredClone(told), told)
})
