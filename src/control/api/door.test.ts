import assert from "node:assert/strict"
import type { IncomingMessage } from "node:http"
import { test } from "node:test"
import type { Access, Right } from "./call.ts"
import { Door, type DoorSettings } from "./door.ts"

const page: Access = {
  setting: "page",
  guarded: ["write"],
  withoutToken: "refused",
  pages: "own",
  neighbours: false,
}
const machines: Access = {
  setting: "machines",
  guarded: ["read", "write"],
  withoutToken: "served",
  pages: "none",
  neighbours: true,
}

/** What a door says to a request with these fields; "served" when it lets it through. */
function said(
  access: Access,
  settings: DoorSettings,
  fields: Readonly<Record<string, string | readonly string[]>> = {},
  right: Right = "read",
  peer = "127.0.0.1",
): string {
  const all = Object.entries({ host: "127.0.0.1", ...fields }).filter(([, value]) => value.length > 0)
  const headersDistinct = Object.fromEntries(all.map(([name, value]) => [name, [value].flat()]))
  const headers = Object.fromEntries(all.map(([name, value]) => [name, [value].flat()[0]]))
  const request = { headers, headersDistinct } as unknown as IncomingMessage
  const refused = new Door(access, settings).whyRefused(request, peer, right)
  return refused === undefined || refused.ok ? "served" : refused.error.code
}

const authorization = "Bearer secret"
const token = "secret"

test("a guarded call needs the token; where none is configured it is refused or served, as the API has it", () => {
  assert.equal(said(page, {}, {}, "write"), "no_token")
  assert.equal(said(page, {}, { authorization }, "write"), "no_token")
  assert.equal(said(page, { token }, {}, "write"), "unauthorized")
  assert.equal(said(page, { token }, { authorization: "Bearer other" }, "write"), "unauthorized")
  assert.equal(said(page, { token }, { authorization }, "write"), "served")
  assert.equal(said(page, { token }, {}, "read"), "served")
  for (const right of ["read", "write"] as const) {
    assert.equal(said(machines, {}, {}, right), "served")
    assert.equal(said(machines, { token }, {}, right), "unauthorized")
    assert.equal(said(machines, { token }, { authorization }, right), "served")
  }
  assert.equal(said(machines, { token }, {}, "open"), "served")
})

test("the peer counts first, then the name, then the page, then the token", () => {
  const foreign = { host: "evil.test", origin: "http://evil.test" }
  const settings = { allow: ["10.0.0.0/8"], token }
  assert.equal(said(page, settings, foreign, "write"), "peer_not_allowed")
  assert.equal(said(page, settings, foreign, "write", "10.1.1.1"), "foreign_host")
  assert.equal(said(page, settings, { origin: "http://evil.test" }, "write", "10.1.1.1"), "foreign_origin")
  assert.equal(said(page, settings, {}, "write", "10.1.1.1"), "unauthorized")
  assert.equal(said(page, settings, {}, "write", ""), "peer_not_allowed")
})

test("a name without a dot, and none at all, are enough only between neighbours", () => {
  for (const host of ["front", "front:9797", ""]) {
    assert.equal(said(page, {}, { host }), "foreign_host", host)
    assert.equal(said(machines, {}, { host }), "served", host)
  }
  assert.equal(said(page, { hosts: ["front"] }, { host: "front:1" }), "served")
})

test("a Host that is none is malformed; an empty one and several are foreign", () => {
  for (const access of [page, machines]) {
    for (const host of ["a b", "a/b", "a@b", "[]"]) {
      assert.equal(said(access, {}, { host }), "malformed_request", host)
    }
    assert.equal(said(access, {}, { host: ["127.0.0.1", "evil.test"] }), "foreign_host")
    assert.equal(said(access, {}, { host: [""] }), "foreign_host")
  }
})

test("the name is free where the token is asked for and no page may call, and only there", () => {
  const fields = { host: "evil.test", authorization }
  assert.equal(said(machines, { token }, fields), "served")
  assert.equal(said(machines, { token }, fields, "open"), "foreign_host")
  assert.equal(said(page, { token }, fields, "write"), "foreign_host")
})

test("pages of the listener itself may call or none may, and links are followed only to pages", () => {
  const own = { origin: "http://127.0.0.1" }
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }
  assert.equal(said(page, {}, own), "served")
  assert.equal(said(machines, {}, own), "foreign_origin")
  assert.equal(said(page, {}, link), "served")
  assert.equal(said(machines, {}, link), "foreign_origin")
  for (const access of [page, machines]) {
    assert.equal(said(access, {}, { "sec-fetch-site": "none" }), "served")
    assert.equal(said(access, {}, { "sec-fetch-site": "same-origin" }), "served")
    assert.equal(said(access, {}, { "sec-fetch-site": "same-site" }), "foreign_origin")
    assert.equal(said(access, {}, { origin: "null" }), "foreign_origin")
  }
})

test("what is no range is refused with the name of its setting", () => {
  assert.throws(() => new Door(page, { allow: ["here"] }), /^RangeError: page\.allow: "here"/)
})
