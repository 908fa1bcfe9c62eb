/** What one thing is by default is said in one place, or the places agree: code, simulator, schema and documents. */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { balancerOptions } from "../../src/cli/config-source.ts"
import { checkTimesDefault } from "../../src/membership/health.ts"
import { registryDefaults } from "../../src/membership/registry.ts"
import { learnMs } from "../../src/control/learning.ts"
import { configJsonSchema } from "../../src/config/config-schema.ts"
import { parseDuration } from "../../src/text/duration.ts"
import { resourcesDefault } from "../../src/core/resources.ts"
import { bodyLimitsDefault } from "../../src/http1/body.ts"
import { headLimitsDefault } from "../../src/http1/limits.ts"
import { policyNames } from "../../src/policies/index.ts"
import { sweepMs } from "../../src/net/deadlines.ts"
import { engineDefaults } from "../../src/sim/engine/engine.ts"
import { priorOf } from "../../src/sim/engine/learning.ts"
import { defaults } from "../support/settings.ts"

const root = join(import.meta.dirname, "..", "..")

/** Of the names that both have, whether they say the same. */
function agree(some: object, others: object): string[] {
  const values = new Map(Object.entries(others))
  const shared = Object.entries(some).filter(([name]) => values.has(name))
  for (const [name, value] of shared) assert.deepEqual(value, values.get(name), name)
  return shared.map(([name]) => name)
}

test("the registry, the checks and the parsers have the defaults of the configuration", () => {
  const { registration, checks, limits } = defaults
  assert.equal(agree(registryDefaults, registration).length, 5)
  assert.equal(agree(checkTimesDefault, checks).length, 4)
  assert.ok(agree(headLimitsDefault, limits).length >= 4)
  assert.equal(agree(bodyLimitsDefault, limits).length, 2)
})

test("the simulator has the limits and times of production", () => {
  const { limits, timeouts, demand } = defaults
  assert.deepEqual(agree(engineDefaults, limits), ["attemptsMax", "queueMax"])
  assert.deepEqual(agree(engineDefaults, timeouts), ["queueMs"])
  assert.deepEqual([engineDefaults.tickMs, engineDefaults.learnMs], [sweepMs, learnMs])
  assert.deepEqual([...priorOf(resourcesDefault)], Object.values(demand.default))
})

test("the help says the defaults of the configuration", () => {
  const { listen, registration, admin, policy } = defaults
  const said = Object.fromEntries(
    Object.entries(balancerOptions).map(([name, { about }]) => [name, /Default (\S+)\.$/.exec(about)?.[1]]),
  )
  const ports = [said["listen"], said["registration"], said["admin"]]
  assert.deepEqual(ports, [`:${listen.port}`, `:${registration.listen.port}`, `:${admin.listen.port}`])
  assert.equal(said["policy"], policy.name)
})

interface SchemaNode {
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
}

/** What the schema says that a setting is by default; undefined when there is no such setting. */
function settingOf(path: string): SchemaNode | undefined {
  let node: SchemaNode | undefined = configJsonSchema(policyNames)
  for (const name of path.split(".")) node = node?.properties?.[name]
  return node
}

const bytesOf = { KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const

/** A number, a size or a time as documents have it: `1,024`, `64 KiB`, `5 s`. Undefined: it is none of these. */
function amountOf(text: string): number | undefined {
  const [, digits, unit] = /^([0-9][0-9,.]*)(?: (KiB|MiB|GiB|ms|s|m|min|h))?$/.exec(text) ?? []
  if (digits === undefined) return undefined
  const amount = Number(digits.replaceAll(",", ""))
  if (unit === undefined) return amount
  const bytes = bytesOf[unit as keyof typeof bytesOf]
  return bytes === undefined ? parseDuration(`${amount}${unit === "min" ? "m" : unit}`) : amount * bytes
}

test("what documents say of a setting in brackets is its default", (t) => {
  const documents = [
    "README.md",
    "ARCHITECTURE.md",
    ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
  ]
  let compared = 0
  for (const name of documents.filter((document) => document.endsWith(".md"))) {
    const text = readFileSync(join(root, name), "utf8").replaceAll(/\s+/g, " ")
    for (const [, path, said] of text.matchAll(/`([a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)+)` \(([^()]*)\)/g)) {
      const amount = amountOf(said!)
      if (amount === undefined) continue
      const setting = settingOf(path!)
      assert.ok(setting !== undefined, `${name}: there is no setting ${path}`)
      const usual = typeof setting.default === "string" ? parseDuration(setting.default) : setting.default
      assert.equal(amount, usual, `${name} says that ${path} is ${said}`)
      compared++
    }
  }
  t.diagnostic(`${compared} defaults in documents`)
  assert.ok(compared >= 8)
})
