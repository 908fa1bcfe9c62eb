import assert from "node:assert/strict"
import { test } from "node:test"
import * as z from "zod"
import type { Call } from "./call.ts"
import { call, reply } from "./call.ts"
import { CallTable } from "./call-table.ts"

function at(
  method: Call<unknown>["method"],
  path: string,
  values: Record<string, z.ZodType> = {},
): Call<unknown> {
  return call({
    name: `${method} ${path}`,
    method,
    path,
    right: "read",
    summary: "A call",
    parameters: { path: values },
    responses: { 200: { description: "It is done." } },
    errors: [],
    handle: () => reply(200),
  })
}

const id = z.string()
const table = new CallTable([
  at("*", "/"),
  at("GET", "/things"),
  at("PUT", "/things/{id}", { id }),
  at("DELETE", "/things/{id}", { id }),
  at("POST", "/things/{id}/mend", { id }),
  at("GET", "/{file}", { file: z.enum(["a.css", "b.js"]) }),
])

test("a call is found by method and path, HEAD with GET", () => {
  for (const [method, path, name] of [
    ["GET", "/things", "GET /things"],
    ["HEAD", "/things", "GET /things"],
    ["DELETE", "/things/x", "DELETE /things/{id}"],
    ["POST", "/things/x/mend", "POST /things/{id}/mend"],
    ["GET", "/a.css", "GET /{file}"],
    ["GET", "/", "* /"],
    ["HEAD", "/", "* /"],
    ["PROPFIND", "/", "* /"],
  ] as const) {
    assert.equal(table.find(method, path)?.call?.name, name, `${method} ${path}`)
  }
})

test("what stands for a parameter is decoded, and never holds a slash that divides", () => {
  assert.deepEqual(table.find("PUT", "/things/a%2Fb%20c")?.path, { id: "a/b c" })
  assert.deepEqual(table.find("PUT", "/things/a:b.c")?.path, { id: "a:b.c" })
  assert.deepEqual(table.find("PUT", "/things/%zz")?.path, { id: "%zz" })
  assert.deepEqual(table.find("PUT", "/th%69ngs/x")?.path, { id: "x" })
})

test("a path with other methods says which, in the order of the table", () => {
  const found = table.find("PATCH", "/things/x")
  assert.deepEqual([found?.call, found?.allowed], [undefined, "PUT, DELETE"])
  assert.equal(table.find("POST", "/things")?.allowed, "GET, HEAD")
})

test("an empty parameter, one that its schema does not take, and a path that is no path are not found", () => {
  for (const path of [
    "",
    "*",
    "//",
    "/thing",
    "/things/",
    "/things//mend",
    "/things/x/mend/",
    "/c.css",
    "/things/a/b",
  ]) {
    assert.equal(table.find("GET", path), undefined, path)
  }
})
