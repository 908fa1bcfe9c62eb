import assert from "node:assert/strict"
import { test } from "node:test"
import { announcedAddress, type AddressRules } from "./registration-address.ts"

const strict: AddressRules = { allowForeignAddresses: false, unixFolders: ["/run/apps"] }
const open: AddressRules = { allowForeignAddresses: true, unixFolders: ["/run/apps"] }

test("a peer may announce its own address, without a host or with it, in any writing", () => {
  for (const [text, peer, host] of [
    [":80", "10.0.0.7", "10.0.0.7"],
    ["10.0.0.7:80", "10.0.0.7", "10.0.0.7"],
    ["[::ffff:10.0.0.7]:80", "10.0.0.7", "10.0.0.7"],
    ["[fd00:0::7]:80", "fd00::7", "fd00:0::7"],
    ["localhost:80", "::1", "localhost"],
  ] as const) {
    assert.deepEqual(announcedAddress(text, peer, strict), { ok: true, value: { host, port: 80 } }, text)
  }
})

test("no other's, unless that is allowed", () => {
  for (const text of ["10.0.0.8:80", "app.internal:80", "[::1]:80", "127.0.0.1:80"]) {
    const refused = announcedAddress(text, "10.0.0.7", strict)
    assert.equal(!refused.ok && refused.error.code, "address_not_allowed", text)
    assert.ok(announcedAddress(text, "10.0.0.7", open).ok, text)
  }
})

test("a Unix socket needs a peer on this machine and a folder that was set aside for it", () => {
  const socket = "unix:/run/apps/a.sock"
  assert.deepEqual(announcedAddress(socket, "127.0.0.1", strict), {
    ok: true,
    value: { path: "/run/apps/a.sock" },
  })
  assert.ok(announcedAddress(socket, "10.0.0.7", open).ok)
  for (const [text, peer, rules] of [
    [socket, "10.0.0.7", strict],
    [socket, "127.0.0.1", { allowForeignAddresses: true }],
    ["unix:/run/docker.sock", "127.0.0.1", strict],
    ["unix:/run/docker.sock", "10.0.0.7", open],
  ] as const) {
    const refused = announcedAddress(text, peer, rules)
    assert.equal(!refused.ok && refused.error.code, "address_not_allowed", `${text} from ${peer}`)
  }
})

test("a way out of the folder is no path", () => {
  for (const text of ["unix:/run/apps/../docker.sock", "unix:/run/apps//a.sock", "unix:apps/a.sock"]) {
    const refused = announcedAddress(text, "127.0.0.1", strict)
    assert.equal(!refused.ok && refused.error.code, "invalid_body", text)
  }
})
