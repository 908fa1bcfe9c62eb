import assert from "node:assert/strict"
import { test } from "node:test"
import { hostOf, isSameHost, isSamePort, normalHost, splitAuthority } from "./host.ts"

for (const [host, normal] of [
  ["a.example", "a.example"],
  ["A.Example", "a.example"],
  ["a.example.", "a.example"],
  ["a.example%2E", "a.example"],
  ["a.example..", "a.example."],
  ["%41%2eexample", "a.example"],
  ["a%2Fb", "a%2fb"],
  ["a%", "a%"],
  ["xn--bcher-kva.example", "xn--bcher-kva.example"],
  ["192.0.2.1", "192.0.2.1"],
  ["[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"],
  ["2001:db8::0001", "2001:db8::1"],
  ["[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"],
  ["[::ffff:c000:201]", "[::ffff:192.0.2.1]"],
  ["[V1.A]", "[v1.a]"],
  [".", "."],
  ["", ""],
] as const) {
  test(`the normal form of ${JSON.stringify(host)} is ${JSON.stringify(normal)}`, () => {
    assert.equal(normalHost(host), normal)
    assert.equal(normalHost(normal), normal === "a.example." ? "a.example" : normal)
  })
}

test("an authority is split at the colon before its port, not at those of IPv6", () => {
  assert.deepEqual(splitAuthority("a.example:80"), { host: "a.example", port: "80" })
  assert.deepEqual(splitAuthority("a.example:"), { host: "a.example", port: "" })
  assert.deepEqual(splitAuthority("a.example"), { host: "a.example", port: "" })
  assert.deepEqual(splitAuthority("[::1]:80"), { host: "[::1]", port: "80" })
  assert.deepEqual(splitAuthority("[::1]"), { host: "[::1]", port: "" })
})

test("hosts are the same in every spelling, whatever their ports", () => {
  assert.ok(isSameHost("a.example", "A.EXAMPLE.:80"))
  assert.ok(isSameHost("[::1]", "[0:0::0:1]:8080"))
  assert.ok(!isSameHost("a.example", "b.example"))
  assert.ok(!isSameHost("a.example", "a.example.b"))
})

test("a port that is not given is the scheme's", () => {
  assert.ok(isSamePort("a:80", "a", "http"))
  assert.ok(isSamePort("a:", "a:080", "http"))
  assert.ok(isSamePort("a:443", "a", "https"))
  assert.ok(!isSamePort("a:443", "a", "http"))
  assert.ok(!isSamePort("a:80", "a", "https"))
  assert.ok(isSamePort("[::1]", "[::1]:80", "http"))
})

for (const [authority, host] of [
  ["a.example", "a.example"],
  ["A.Example:80", "a.example"],
  ["a.example.", "a.example"],
  ["a.example:", "a.example"],
  ["xn--bcher-kva.example:8080", "xn--bcher-kva.example"],
  ["under_score", "under_score"],
  ["192.0.2.1:1", "192.0.2.1"],
  ["[2001:DB8:0::1]:443", "[2001:db8::1]"],
  ["[::1]", "[::1]"],
  ["", undefined],
  [":80", undefined],
  [".", undefined],
  ["a..example", undefined],
  ["a.example:80:80", undefined],
  ["a.example:x", undefined],
  ["a.example:123456", undefined],
  ["user@a.example", undefined],
  ["a.example/evil", undefined],
  ["a%0d%0ab", undefined],
  ["a,b", undefined],
  ["a b", undefined],
  ["a\r\nb", undefined],
  ["::1", undefined],
  ["[::1", undefined],
  ["[]", undefined],
  ["[::1]x", undefined],
  ["[a.example]", undefined],
  ["[fe80::1%25lo]", undefined],
  ["192.0.2.999", undefined],
] as const) {
  test(`the host of ${JSON.stringify(authority)} is ${host ?? "none that may be written"}`, () => {
    assert.equal(hostOf(authority), host)
  })
}
