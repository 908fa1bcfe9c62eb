import assert from "node:assert/strict"
import { test } from "node:test"
import { hostOf } from "./authority.ts"

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
