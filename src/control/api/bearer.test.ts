import assert from "node:assert/strict"
import { test } from "node:test"
import { presents } from "./bearer.ts"

test("the token itself is presented, the scheme in any case", () => {
  for (const field of ["Bearer secret", "bearer secret", "BEARER   secret"]) {
    assert.ok(presents(field, "secret"), field)
  }
})

test("nothing else is: no field, another scheme, a part of the token or more than it", () => {
  for (const field of [
    undefined,
    "",
    "secret",
    "Bearer",
    "Bearer ",
    "Basic secret",
    "Bearer secre",
    "Bearer secrets",
    "Bearer Secret",
    "Bearer secret secret",
    "Bearersecret",
  ]) {
    assert.ok(!presents(field, "secret"), String(field))
  }
})
