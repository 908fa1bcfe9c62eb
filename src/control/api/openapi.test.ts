import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import * as z from "zod"
import { importsOf, tokensOf } from "../../../test/support/house/source-tokens.ts"
import { adminApi } from "../admin/admin-calls.ts"
import { registrationApi } from "../registration/registration-calls.ts"
import { apiErrors } from "./api-errors.ts"
import { type Access, type Api, call, reply } from "./call.ts"
import { openApiOf } from "./openapi.ts"

const tables = [
  ["admin", adminApi, "../admin/admin-calls.ts"],
  ["registration", registrationApi, "../registration/registration-calls.ts"],
] as const

const thing = z.object({ id: z.string(), size: z.int() }).meta({ id: "Thing" })

const find = call({
  name: "find",
  method: "GET",
  path: "/things/{id}",
  right: "read",
  summary: "Finds",
  parameters: {
    path: { id: z.string() },
    query: { limit: z.coerce.number().default(3), kind: z.string() },
    fields: { "if-match": "An entity tag." },
  },
  responses: {
    200: { description: "The thing.", json: thing, headers: { ETag: "Its tag." } },
    204: { description: "Nothing." },
  },
  errors: ["unknown_backend"],
  handle: () => reply(204),
})

const change = call({
  name: "change",
  method: "*",
  path: "/things",
  right: "write",
  summary: "Changes",
  body: { schema: thing, required: false },
  responses: { 200: { description: "All things.", json: z.array(thing) } },
  errors: [],
  handle: () => reply(200, []),
})

const access: Access = {
  setting: "test",
  guarded: ["write"],
  withoutToken: "refused",
  pages: "none",
  neighbours: false,
}

function operationsOf(
  change: Partial<Api<unknown>> = {},
): Readonly<Record<string, Readonly<Record<string, Json>>>> {
  const api = {
    title: "Things",
    description: "Things.",
    version: "1.0.0",
    access,
    headers: {},
    calls: [find],
  }
  return openApiOf({ ...api, ...change }).paths
}

type Json = Readonly<Record<string, unknown>>

function statusesOf(operation: Json | undefined): string[] {
  return Object.keys(operation!["responses"] as object)
}

function securityOf(path: string, withoutToken: Access["withoutToken"]): unknown {
  const paths = operationsOf({ calls: [find, change], access: { ...access, withoutToken } })
  return paths[path]!["get"]!["security"]
}

test("parameters say where they are and whether they must be there", () => {
  const { parameters } = operationsOf()["/things/{id}"]!["get"]!
  assert.deepEqual(
    (parameters as readonly Json[]).map((parameter) => [
      parameter["in"],
      parameter["name"],
      parameter["required"],
    ]),
    [
      ["path", "id", true],
      ["query", "limit", false],
      ["query", "kind", true],
      ["header", "if-match", false],
    ],
  )
})

test("a call of any method has an operation for each, with a name of its own", () => {
  const { "/things": byMethod } = operationsOf({ calls: [change] })
  const ids = Object.values(byMethod!).map(({ operationId }) => operationId)
  assert.equal(new Set(ids).size, 8)
  assert.ok(ids.includes("change-get"))
})

test("errors are those of the call, of its body, its query, the door and the token, by status", () => {
  const paths = operationsOf({ calls: [find, change] })
  assert.deepEqual(statusesOf(paths["/things/{id}"]!["get"]), [
    "200",
    "204",
    "400",
    "403",
    "404",
    "500",
    "default",
  ])
  const written = statusesOf(paths["/things"]!["post"])
  assert.deepEqual(written, ["200", "400", "401", "403", "408", "413", "415", "500", "default"])
  const named = (api: Partial<Api<unknown>>): string => JSON.stringify(operationsOf(api))
  assert.match(named({}), /invalid_parameter/)
  assert.doesNotMatch(named({}), /unauthorized/)
  assert.match(named({ calls: [change] }), /no_token/)
  assert.doesNotMatch(named({ calls: [change], access: { ...access, withoutToken: "served" } }), /no_token/)
})

test("what needs the token says so, and what is served without one too", () => {
  assert.deepEqual(securityOf("/things/{id}", "refused"), [])
  assert.deepEqual(securityOf("/things", "refused"), [{ bearer: [] }])
  assert.deepEqual(securityOf("/things", "served"), [{ bearer: [] }, {}])
})

test("a shape with an id is there once and referred to, without the bounds that every number has", () => {
  const api = { title: "T", description: "T", version: "1.0.0", access, headers: {}, calls: [find, change] }
  const { paths, components } = openApiOf(api)
  const text = JSON.stringify(paths)
  assert.equal(text.split('"#/components/schemas/Thing"').length - 1, 1 + 8 + 8)
  assert.deepEqual((components["schemas"] as Json)["Thing"], {
    type: "object",
    properties: { id: { type: "string" }, size: { type: "integer" } },
    required: ["id", "size"],
  })
})

for (const [name, api, file] of tables) {
  test(`the calls of the ${name} API have names of their own, and the parameters of their paths`, () => {
    const names = api.calls.map((call) => call.name)
    assert.equal(new Set(names).size, names.length)
    for (const { path, parameters, name } of api.calls) {
      const written = Array.from(path.matchAll(/\{(\w+)\}/g), ([, parameter]) => parameter)
      assert.deepEqual(Object.keys(parameters?.path ?? {}), written, name)
    }
    const places = api.calls.map(({ method, path }) => `${method} ${path}`)
    assert.equal(new Set(places).size, places.length)
  })

  test(`the table of the ${name} API is imported without a server`, () => {
    const files = reached(fileURLToPath(new URL(file, import.meta.url)))
    for (const server of [
      "kernel.ts",
      "node-listener.ts",
      "json-body.ts",
      "admin-api.ts",
      "registration-api.ts",
    ]) {
      assert.ok(!files.some((path) => path.endsWith(`/${server}`)), server)
    }
    assert.ok(!files.some((path) => ["node:http", "node:child_process"].includes(path)), files.join("\n"))
    assert.ok(files.length > 10)
  })
}

test("docs/api.md lists the errors as the table has them", () => {
  const text = readFileSync(new URL("../../../docs/api.md", import.meta.url), "utf8")
  assert.deepEqual(
    text.split("\n").filter((line) => line.startsWith("| `")),
    Object.entries(apiErrors).map(([code, row]) => `| \`${code}\` | ${row.status} | ${row.meaning} |`),
  )
})

/** All that a module imports as more than a type, and so on. */
function reached(path: string, found: Set<string> = new Set()): string[] {
  found.add(path)
  for (const { specifier, typeOnly } of importsOf(tokensOf(readFileSync(path, "utf8")))) {
    const target = specifier.startsWith(".") ? fileURLToPath(new URL(specifier, `file://${path}`)) : specifier
    if (typeOnly || found.has(target)) continue
    if (specifier.startsWith(".")) reached(target, found)
    else found.add(target)
  }
  return [...found]
}
