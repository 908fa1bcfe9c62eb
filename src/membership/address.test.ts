import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import {
  formatAddress,
  isBelow,
  isSameAddress,
  isUnixPath,
  parseAddress,
  unixPathBytesMax,
} from "./address.ts"

test("reads hosts, IPv6 in brackets, ports alone and Unix sockets", () => {
  assert.deepEqual(parseAddress("10.0.0.7:8080"), { host: "10.0.0.7", port: 8080 })
  assert.deepEqual(parseAddress("[::1]:8080"), { host: "::1", port: 8080 })
  assert.deepEqual(parseAddress("app.internal:8080"), { host: "app.internal", port: 8080 })
  assert.deepEqual(parseAddress(":8080"), { host: "", port: 8080 })
  assert.deepEqual(parseAddress("unix:/run/app/a.sock"), { path: "/run/app/a.sock" })
})

test("refuses port 0, bare IPv6, relative paths and everything else", () => {
  const wrong = [
    "",
    ":0",
    "::1:8080",
    "a:",
    "unix:",
    "unix:a.sock",
    "unix:@abstract",
    "unix://a.sock",
    "UNIX:/a",
    "/a.sock",
  ]
  for (const text of wrong) assert.equal(parseAddress(text), undefined, text)
})

test("a path names one file in one way, fits a socket address and can be shown", () => {
  for (const path of [
    "/a",
    "/run/app.sock",
    "/..a/b..",
    "/a/.b",
    "/ä",
    `/${"a".repeat(unixPathBytesMax - 1)}`,
  ])
    assert.ok(isUnixPath(path), path)
  const wrong = [
    "",
    "/",
    "a",
    "/a/",
    "//a",
    "/a//b",
    "/./a",
    "/a/..",
    "/a/../b",
    "/a\0b",
    "/a\nb",
    "/a\x7f",
    "/\ud800",
    `/${"a".repeat(unixPathBytesMax)}`,
    `/${"ä".repeat(54)}`,
  ]
  for (const path of wrong) assert.ok(!isUnixPath(path), JSON.stringify(path))
})

test("what is written reads as the same", () => {
  const host = fc.oneof(fc.constant(""), fc.ipV4(), fc.ipV6(), fc.domain())
  const tcp = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }, { noNullPrototype: true })
  const unix = fc.record(
    {
      path: fc
        .string()
        .map((text) => `/${text}`)
        .filter(isUnixPath),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(fc.oneof(tcp, unix), (address) => {
      assert.deepEqual(parseAddress(formatAddress(address)), address)
    }),
  )
})

test("addresses are the same when they lead to the same place by the same name", () => {
  const a = { host: "a", port: 1 }
  assert.ok(isSameAddress(a, { host: "a", port: 1 }))
  assert.ok(isSameAddress({ path: "/a" }, { path: "/a" }))
  for (const other of [{ host: "a", port: 2 }, { host: "b", port: 1 }, { path: "/a" }])
    assert.ok(!isSameAddress(a, other), formatAddress(other))
  assert.ok(!isSameAddress({ path: "/a" }, { path: "/b" }))
})

test("a folder holds what is below it, and not what only begins alike", () => {
  assert.ok(isBelow("/run/apps", "/run/apps/a.sock"))
  assert.ok(isBelow("/", "/a.sock"))
  assert.ok(!isBelow("/run/apps", "/run/apps-of-others/a.sock"))
  assert.ok(!isBelow("/run/apps", "/run/apps"))
})
