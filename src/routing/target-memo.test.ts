import assert from "node:assert/strict"
import { test } from "node:test"
import { TargetMemo } from "./target-memo.ts"

/** Asks as a finder does: what is not remembered is told to it. */
function ask(memo: TargetMemo, method: string, target: string, route: number): number {
  // Somewhere among other bytes, as in a head.
  const bytes = Buffer.from(`..${target}..`, "latin1")
  const known = memo.recall(method, bytes, 2, 2 + target.length)
  if (known === -1) memo.learn(method, bytes, 2, 2 + target.length, route)
  return known
}

function remembering(target: string, route = 7): TargetMemo {
  const memo = new TargetMemo()
  ask(memo, "GET", target, route)
  ask(memo, "GET", target, route)
  return memo
}

test("a target is remembered once it has come twice", () => {
  const memo = new TargetMemo()
  const answers = [1, 2, 3].map(() => ask(memo, "GET", "/users/ada?full", 7))
  assert.deepEqual(answers, [-1, -1, 7])
})

test("another method, another length and any other byte make another target", () => {
  const target = "/users/ada/orders?page=2"
  const memo = remembering(target)
  const others = [
    target.slice(0, -1),
    `${target}0`,
    ...Array.from(target, (_, i) => `${target.slice(0, i)}#${target.slice(i + 1)}`),
  ]
  for (const other of others) assert.equal(ask(memo, "GET", other, 1), -1, other)
  assert.equal(ask(memo, "HEAD", target, 1), -1)
})

test("targets that never come again put none out of its place", () => {
  const memo = remembering("/users/ada")
  for (let i = 0; i < 5_000; i++) ask(memo, "GET", `/users/${i}`, 1)
  assert.equal(ask(memo, "GET", "/users/ada", 1), 7)
})

test("of two that share a place the one that comes twice in a row has it", () => {
  // 200 targets in 128 places: some share one, whatever the hash.
  const memo = new TargetMemo()
  for (let i = 0; i < 200; i++) for (let times = 0; times < 2; times++) ask(memo, "GET", `/${i}`, i)
  let remembered = 0
  for (let i = 0; i < 200; i++) {
    const known = ask(memo, "GET", `/${i}`, i)
    assert.ok(known === i || known === -1, `/${i} is of route ${known}`)
    if (known === i) remembered++
  }
  assert.ok(remembered >= 64 && remembered <= 128, `${remembered} remembered`)
})

test("an empty target and one of more than 128 bytes are not remembered", () => {
  const longest = `/${"a".repeat(127)}`
  assert.equal(ask(remembering(longest), "GET", longest, 1), 7)
  assert.equal(ask(remembering(`${longest}a`), "GET", `${longest}a`, 1), -1)
  assert.equal(ask(remembering(""), "GET", "", 1), -1)
})

test("nothing is left after clearing", () => {
  const memo = remembering("/users/ada")
  memo.clear()
  assert.deepEqual(
    [1, 2, 3].map(() => ask(memo, "GET", "/users/ada", 8)),
    [-1, -1, 8],
  )
})
