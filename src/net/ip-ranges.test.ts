import assert from "node:assert/strict"
import { test } from "node:test"
import { contains, rangesOf } from "./ip-ranges.ts"

test("addresses and ranges of both families hold what is in them", () => {
  const ranges = rangesOf(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1"], "allow")
  for (const peer of ["10.255.0.1", "192.0.2.1", "fdff::1", "::1", "::ffff:10.0.0.1"]) {
    assert.ok(contains(ranges, peer), peer)
  }
  for (const peer of ["11.0.0.1", "192.0.2.2", "fe00::1", "::2", "unknown", ""]) {
    assert.ok(!contains(ranges, peer), peer)
  }
})

test("what is no range is refused with the setting's name", () => {
  for (const range of [
    "10.0.0.0/33",
    "10.0.0.0/",
    "::/129",
    "10.0.0",
    "a.example",
    "10.0.0.0/-1",
    "10.0.0.0/x",
  ]) {
    assert.throws(() => rangesOf([range], "allow"), { name: "RangeError", message: /^allow: / }, range)
  }
})
