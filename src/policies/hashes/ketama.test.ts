import assert from "node:assert/strict"
import { test } from "node:test"
import { crc32 } from "node:zlib"
import { seeded } from "../../core/rng.ts"
import { fleet, request } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { makePolicy, plainPolicy } from "../index.ts"
import { ketamaRing } from "./ketama-ring.ts"
import type { Policy } from "../policy.ts"

function ketama(members: readonly Backend[]): Policy {
  const policy = makePolicy(plainPolicy("ketama"), { rng: seeded(1), resources: resourcesDefault })
  policy.rebuild(members)
  return policy
}

const keys: readonly number[] = Array.from({ length: 20_000 }, (_, n) => crc32(`key${n}`))

/** nginx's rule said in the plainest way: all points by its recipe over whole strings, then the first at or after. */
function ownerByNginx(
  servers: readonly (readonly [host: string, port: string, weight: number])[],
  key: number,
) {
  const points = servers.flatMap(([host, port, weight], owner) => {
    let previous = 0
    return Array.from({ length: weight * 160 }, () => {
      const last = [0, 8, 16, 24].map((shift) => String.fromCharCode((previous >>> shift) & 0xff)).join("")
      previous = crc32(Buffer.from(`${host}\0${port}${last}`, "latin1"))
      return { hash: previous, owner }
    })
  })
  points.sort((a, b) => a.hash - b.hash)
  return (points.find(({ hash }) => hash >= key) ?? points[0]!).owner
}

test("the owner of a key is nginx's, by host, port and weight", () => {
  const members = fleet(
    { address: "10.0.0.1:8080" },
    { address: "10.0.0.2:8080", weight: 3 },
    { address: "cache.example:11211" },
    { address: "unix:/run/cache.sock" },
  )
  const servers = [
    ["10.0.0.1", "8080", 1],
    ["10.0.0.2", "8080", 3],
    ["cache.example", "11211", 1],
    ["/run/cache.sock", "", 1],
  ] as const
  const policy = ketama(members)
  for (const key of keys.slice(0, 300)) {
    assert.equal(policy.pick(request([1, 1], undefined, key)), members[ownerByNginx(servers, key)])
  }
})

test("a backend that comes takes keys and moves none between the others", () => {
  // Its 160 of 960 points have arcs that add up to 1/6 of the circle with a standard deviation of √(1/6·5/6/961), and
  // 20_000 keys sample that: 4σ of both together is 5.9 %.
  const members = fleet({}, {}, {}, {}, {}, {})
  const [before, after] = [ketama(members.slice(0, 5)), ketama(members)]
  let moved = 0
  for (const key of keys) {
    const asked = request([1, 1], undefined, key)
    const [old, now] = [before.pick(asked), after.pick(asked)]
    if (old === now) continue
    assert.equal(now, members[5])
    moved++
  }
  assert.ok(Math.abs(moved / keys.length - 1 / 6) < 0.059, `${moved}`)
})

test("a key whose owner is not admitted goes where it would go without that backend", () => {
  const members = fleet({}, {}, {}, {}, {})
  const policy = ketama(members)
  const without = members.map((_, left) => ketama(members.toSpliced(left, 1)))
  for (const key of keys.slice(0, 2_000)) {
    const owner = policy.pick(request([1, 1], undefined, key))!
    const left = members.indexOf(owner as (typeof members)[number])
    const second = policy.pick(request([1, 1], (one) => one !== owner, key))
    assert.equal(second, without[left]!.pick(request([1, 1], undefined, key)))
  }
})

test("keys are shared in proportion to weight, also to fractions", () => {
  // p of N points: relative deviation √((1−p/N)/p) of the arcs; 4σ with 80 of 640 points is 42 %, with 400 it is 13 %.
  const members = fleet({ weight: 0.5 }, { weight: 1 }, { weight: 2.5 })
  const policy = ketama(members)
  const wins = members.map(() => 0)
  for (const key of keys) {
    wins[members.indexOf(policy.pick(request([1, 1], undefined, key)) as (typeof members)[number])]!++
  }
  assert.ok(Math.abs(wins[0]! / 2_500 - 1) < 0.42, wins.join(" "))
  assert.ok(Math.abs(wins[2]! / 12_500 - 1) < 0.13, wins.join(" "))
})

test("heavy weights do not make the ring grow without end", () => {
  const ring = ketamaRing(fleet({ weight: 10_000 }, { weight: 30_000 }, { weight: 0.001 }))
  assert.ok(ring.owners.length <= 2 ** 20 + 3)
  let first = 0
  for (const owner of ring.owners) if (owner === 0) first++
  assert.equal(Math.round((first / ring.owners.length) * 1000), 250)
  assert.ok(ring.owners.includes(2), "every member has a point")
})
