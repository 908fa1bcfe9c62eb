import assert from "node:assert/strict"
import { isIP } from "node:net"
import { test } from "node:test"
import * as fc from "fast-check"
import { formatEndpoint, isCidr, isIpv4, isIpv6, isLoopback, parseEndpoint } from "./endpoint.ts"

test("reads ports, hosts and addresses", () => {
  const cases: readonly (readonly [string | number, string, number])[] = [
    ["5252", "", 5252],
    [5252, "", 5252],
    [":5252", "", 5252],
    [":0", "", 0],
    ["0.0.0.0:5252", "0.0.0.0", 5252],
    ["[::1]:5252", "::1", 5252],
    ["[::]:65535", "::", 65_535],
    ["localhost:80", "localhost", 80],
    ["backend-1.internal:8080", "backend-1.internal", 8080],
    ["svc.cluster.local.:80", "svc.cluster.local.", 80],
  ]
  for (const [input, host, port] of cases)
    assert.deepEqual(parseEndpoint(input), { host, port }, String(input))
})

test("refuses everything else", () => {
  const wrong = [
    "",
    ":",
    "localhost",
    "localhost:",
    ":65536",
    ":-1",
    ":08",
    ":8o",
    "::1:5252",
    "[::1]",
    "[::1]5252",
    "[localhost]:80",
    "[127.0.0.1]:80",
    "300.0.0.1:80",
    "1.2.3:80",
    "a b:80",
    "-a:80",
    "a..b:80",
    "a..:80",
    ".:80",
    "1.2.3.4.:80",
    "*:80",
    "http://localhost:80",
    `${"a".repeat(64)}:80`,
  ]
  for (const text of wrong) assert.equal(parseEndpoint(text), undefined, text)
  assert.equal(parseEndpoint(1.5), undefined)
  assert.equal(parseEndpoint(-1), undefined)
})

test("what is written reads as the same", () => {
  const host = fc.oneof(fc.constant(""), fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.nat(65_535), (host, port) => {
      assert.deepEqual(parseEndpoint(formatEndpoint({ host, port })), { host, port })
    }),
  )
})

test("knows addresses as Node does", () => {
  const near = fc.string({ unit: fc.constantFrom(..."0123456789abcf:.".split("")), maxLength: 24 })
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), near), (text) => {
      assert.equal(isIpv4(text) ? 4 : isIpv6(text) ? 6 : 0, isIP(text), text)
    }),
    { numRuns: 5_000 },
  )
})

test("loopback is 127.0.0.0/8, ::1 and localhost", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "0:0::1", "localhost", "LOCALHOST"]) {
    assert.ok(isLoopback(host), host)
  }
  for (const host of [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "::11",
    "1::1",
    "127.example.org",
    "::ffff:10.0.0.1",
  ]) {
    assert.ok(!isLoopback(host), host)
  }
})

test("a CIDR has an address and a prefix that fits it", () => {
  for (const text of ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.7", "fd00::/8", "::1/128", "::/0"]) {
    assert.ok(isCidr(text), text)
  }
  for (const text of [
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
  ]) {
    assert.ok(!isCidr(text), text)
  }
})
