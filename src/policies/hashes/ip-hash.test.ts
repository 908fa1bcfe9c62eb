import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, ofWeight, request, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { ipBytes } from "../../core/ip-bytes.ts"
import { seeded } from "../../core/rng.ts"
import { IpHash } from "./ip-hash.ts"

function ipHash(members: readonly Backend[]): IpHash {
  const policy = new IpHash(seeded(1))
  policy.rebuild(members)
  return policy
}

function from(address: string, admits?: (backend: Backend) => boolean) {
  return request([1, 1], admits, undefined, { clientAddress: ipBytes(address) })
}

test("the backend is the one that nginx's arithmetic gives", () => {
  // 10.1.2.x: (89·113 + 10) mod 6271 = 3796; (3796·113 + 1) mod 6271 = 2521; (2521·113 + 2) mod 6271 = 2680.
  // 2680 mod 7 is 6: with weights 1, 2, 4 that is the last of the third. Mod 3 it is 1.
  assert.equal(ipHash(ofWeight(1, 2, 4)).pick(from("10.1.2.3"))?.id, "c")
  assert.equal(ipHash(ofWeight(1, 1, 1)).pick(from("10.1.2.3"))?.id, "b")
  // Refused once, the octets are added to what the hash was: 2680 becomes 1842, 1204 and 4363; mod 7 that is 2,
  // with weights 2, 1, 4 the second's, while it would be the turn of the first.
  assert.equal(ipHash(ofWeight(2, 1, 4)).pick(from("10.1.2.3", ({ id }) => id !== "c"))?.id, "b")
})

test("the last octet of IPv4 does not count, every byte of IPv6 does", () => {
  const policy = ipHash(fleet({}, {}, {}, {}, {}, {}, {}))
  const ids = (addresses: readonly string[]) => new Set(addresses.map((one) => policy.pick(from(one))?.id))
  const numbers = Array.from({ length: 200 }, (_, n) => n)
  assert.equal(ids(numbers.map((n) => `192.0.2.${n}`)).size, 1)
  assert.equal(ids(numbers.map((n) => `192.0.${n}.1`)).size, 7)
  assert.equal(ids(numbers.map((n) => `2001:db8::${n}`)).size, 7)
})

test("after 21 refused tries it is the turn of any admitted member", () => {
  // Of 400 backends only three are admitted: 21 tries miss them in most networks, and turns are equal.
  const members = fleet(...Array.from({ length: 400 }, () => ({})))
  const few = members.slice(100, 103)
  const policy = ipHash(members)
  const wins = few.map(() => 0)
  for (let n = 0; n < 250; n++) {
    const picked = policy.pick(from(`10.${n}.0.1`, (one) => few.includes(one as FakeBackend)))
    wins[few.indexOf(picked as FakeBackend)]!++
  }
  // At most 15 % are met by the tries (21·3/400), so each has at least 0.85·250/3 − 4σ of what was met by them.
  for (const won of wins) assert.ok(won > 45, wins.join(" "))
})

test("a client whose address is not known goes anywhere", () => {
  // 4σ of a binomial with n = 9_000 and p = 1/3 is 179.
  const members = fleet({}, {}, {})
  const policy = ipHash(members)
  const wins = [0, 0, 0]
  for (let n = 0; n < 9_000; n++) wins[members.indexOf(policy.pick(request()) as FakeBackend)]!++
  for (const won of wins) assert.ok(Math.abs(won - 3_000) < 179, wins.join(" "))
})
