import assert from "node:assert/strict"
import { test } from "node:test"
import type { RequestTrace } from "../sim/scenario/trace.ts"
import { recordedList } from "./recorded-list.ts"
import type { RequestTemplate } from "./requests.ts"

const trace = (...at: number[]): RequestTrace => ({
  kind: "requests",
  file: "t",
  at,
  context: [],
  generated: [],
})
const classOf = (name: string, weight: number): RequestTemplate => {
  return { name, method: "GET", path: "/", fields: [], body: undefined, weight }
}

test("requests come as they were recorded, from the first on, whatever the order of the file", () => {
  const { atMs } = recordedList(trace(5_000, 1_000, 1_000, 3_000), [classOf("a", 1)], undefined, 1)
  assert.deepEqual([...atMs], [0, 0, 2_000, 4_000])
})

test("with a rate the gaps keep their proportions and have the mean that the rate says", () => {
  const { atMs } = recordedList(trace(0, 1_000, 4_000), [classOf("a", 1)], 100, 1)
  assert.deepEqual([...atMs], [0, 5, 20])
})

test("a recording of one moment is due at once", () => {
  assert.deepEqual([...recordedList(trace(7, 7), [classOf("a", 1)], 10, 1).atMs], [0, 0])
})

test("classes are drawn by weight, the same ones again with the same seed", () => {
  const at = Array.from({ length: 10_000 }, (_, i) => i)
  const classes = [classOf("a", 3), classOf("b", 1)]
  const { kinds } = recordedList(trace(...at), classes, undefined, 1)
  // 4σ of a binomial with n = 10,000 and p = 1/4 is 173.
  const second = kinds.reduce((sum, kind) => sum + kind, 0)
  assert.ok(Math.abs(second - 2_500) < 173, String(second))
  assert.deepEqual(recordedList(trace(...at), classes, undefined, 1).kinds, kinds)
})
