import assert from "node:assert/strict"
import { test } from "node:test"
import { parseBackendId } from "../core/backend.ts"
import { seeded } from "../core/rng.ts"
import { penaltyMax } from "../core/knowledge.ts"
import { Penalties } from "./penalties.ts"

const [a, b] = [parseBackendId("a")!, parseBackendId("b")!]
const both = [{ id: a }, { id: b }]

test("a third of many failing makes a backend five times as dear, because clients see what fails", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 1_000, 500, 0)
  penalties.add(b, 0, 1_000, 0, 0)
  const found = penalties.learn(both, 0)
  assert.ok(Math.abs(found.get(a)! - 1.5 ** 4) < 0.1, `${found.get(a)}`)
  assert.equal(found.get(b), undefined)
})

test("one failure among few says little, and all failing is bounded", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 0, 1, 0)
  penalties.add(b, 1, 0, 1e6, 0)
  const found = penalties.learn(both, 0)
  assert.ok(found.get(a)! < 1.5)
  assert.equal(found.get(b), penaltyMax)
})

test("a backend that is hardly used any more is not forgotten with the seconds, but with what succeeds", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 0, 100, 0)
  const penaltyAt = (now: number) => penalties.learn(both, now).get(a) ?? 1
  const [soon, later, minutes] = [penaltyAt(1_000), penaltyAt(40_000), penaltyAt(140_000)]
  // About ten attempts are left after 23 s, and a third of them after 100 s more: (1 + 3 / 10)⁴.
  assert.ok(soon === penaltyMax && later > 7 && minutes > 2 && minutes < 4, `${soon}, ${later}, ${minutes}`)
  for (let second = 141; second < 181; second++) {
    penalties.add(a, 0, 1, 0, second * 1_000)
    penalties.learn(both, second * 1_000)
  }
  assert.equal(penaltyAt(181_000), 1)
})

test("time alone forgives too, in minutes", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 0, 100, 0)
  for (let second = 1; second < 600; second++) penalties.learn(both, second * 1_000)
  assert.equal(penalties.learn(both, 600_000).size, 0)
})

test("small changes are not published", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 900, 300, 0)
  const first = penalties.learn(both, 0).get(a)
  penalties.add(a, 0, 900, 303, 1)
  assert.equal(penalties.learn(both, 1).get(a), first)
})

test("a backend that has left is forgotten", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 0, 100, 0)
  penalties.retain((id) => id !== a)
  assert.equal(penalties.learn(both, 0).size, 0)
})

test("what fails on every backend is the fault of none", () => {
  const penalties = new Penalties()
  for (const id of [a, b]) {
    penalties.add(id, 1, 0, 200, 0)
    penalties.add(id, 2, 200, 0, 0)
  }
  assert.equal(penalties.learn(both, 0).size, 0)
  // Of another one more fails than that.
  penalties.add(b, 2, 0, 200, 1_000)
  assert.deepEqual([...penalties.learn(both, 1_000).keys()], [b])
})

test("chance makes no difference between backends that fail alike", () => {
  const rng = seeded(1)
  const ids = Array.from({ length: 20 }, (_, i) => parseBackendId(`b${i}`)!)
  for (const part of [0.02, 0.3, 0.9]) {
    const penalties = new Penalties()
    for (const id of ids) {
      let failed = 0
      for (let n = 0; n < 200; n++) if (rng.next() < part) failed++
      penalties.add(id, 0, 200 - failed, failed, 0)
    }
    assert.equal(
      penalties.learn(
        ids.map((id) => ({ id })),
        0,
      ).size,
      0,
      `${part}`,
    )
  }
})

test("a route that fails everywhere says nothing of the backend that gets most of it", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 100, 0, 0)
  penalties.add(b, 0, 100, 0, 0)
  penalties.add(a, 1, 0, 100, 0)
  penalties.add(b, 1, 0, 1, 0)
  assert.equal(penalties.learn(both, 0).size, 0)
})

test("however many fail, one that works tells of them all", () => {
  const penalties = new Penalties()
  const failing = Array.from({ length: 9 }, (_, i) => parseBackendId(`failing-${i}`)!)
  for (const id of failing) penalties.add(id, 0, 0, 1_000, 0)
  penalties.add(a, 0, 3, 0, 0)
  const found = penalties.learn(both, 0)
  for (const id of failing) assert.equal(found.get(id), penaltyMax)
  assert.equal(found.get(a), undefined)
})

test("while only one backend has had a route's requests their failures are its fault", () => {
  const penalties = new Penalties()
  penalties.add(a, 0, 0, 100, 0)
  penalties.add(b, 1, 100, 0, 0)
  assert.equal(penalties.learn(both, 0).get(a), penaltyMax)
})

test("a route on which nothing fails any more is no excuse for what fails later", () => {
  const penalties = new Penalties()
  for (const id of [a, b]) penalties.add(id, 0, 0, 100, 0)
  for (let second = 1; second < 2_000; second++) penalties.learn(both, second * 1_000)
  penalties.add(b, 0, 100, 0, 2_000_000)
  penalties.add(a, 0, 0, 100, 2_000_000)
  assert.equal(penalties.learn(both, 2_000_000).get(a), penaltyMax)
})

test("while one that may be chosen has had nothing of a route, those that fail at it are penalised for ten seconds", () => {
  const penalties = new Penalties()
  const c = parseBackendId("c")!
  const three = [...both, { id: c }]
  const failFor = (from: number, seconds: number): Map<string, number> => {
    let found = new Map<string, number>()
    for (let second = from; second < from + seconds; second++) {
      for (const id of [a, b]) penalties.add(id, 0, 0, 100, second * 1_000)
      found = penalties.learn(three, second * 1_000)
    }
    return found
  }
  assert.deepEqual([...failFor(0, 10).keys()], [a, b])
  // It is not asked, so it seems not to be for this route.
  assert.equal(failFor(10, 5).size, 0)
  // It has been asked, and works.
  penalties.add(c, 0, 1, 0, 15_000)
  assert.deepEqual([...failFor(15, 5).keys()], [a, b])
})

test("that a route has failed a little for long is no excuse when it begins to fail altogether", () => {
  const penalties = new Penalties()
  for (let second = 0; second < 60; second++) {
    for (const id of [a, b]) penalties.add(id, 0, 97, 3, second * 1_000)
    penalties.learn([...both, { id: parseBackendId("c")! }], second * 1_000)
  }
  for (const id of [a, b]) penalties.add(id, 0, 0, 1_000, 60_000)
  const found = penalties.learn([...both, { id: parseBackendId("c")! }], 60_000)
  assert.deepEqual([...found.keys()], [a, b])
})
