import assert from "node:assert/strict"
import type { Config } from "../../src/config/config.ts"
import { parseConfig } from "../../src/config/config-parse.ts"
import type { Settings } from "../../src/config/config-schema.ts"
import { fail } from "../../src/core/result.ts"
import { policies } from "../../src/policies/index.ts"

/** The configuration of these settings, which name no files. */
export function configOf(settings: Settings): Config {
  const config = parseConfig(settings, { policies, readFile: () => fail("there are no files here") })
  assert.ok(config.ok, JSON.stringify(config))
  return config.value
}

/** What everything is where nothing is set. */
export const defaults: Config = configOf({})
