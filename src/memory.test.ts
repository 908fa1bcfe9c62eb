import assert from "node:assert/strict"
import { test } from "node:test"
import { memoryLine, memoryOf, threadHeapMiB } from "./memory.ts"

const mebibyte = 1024 * 1024
const gibibyte = 1024 * mebibyte

test("the memory is the container's where it has less than the machine", () => {
  assert.deepEqual(memoryOf(384 * mebibyte, gibibyte), { bytes: 384 * mebibyte, isContainer: true })
  // No limit, as the two versions of control groups and systems without them say it.
  for (const none of [0, 2 ** 63, 2 ** 64, gibibyte]) {
    assert.deepEqual(memoryOf(none, gibibyte), { bytes: gibibyte, isContainer: false })
  }
})

test("all data-plane threads together have three tenths, each at least 32 MiB and at most what V8 would take", () => {
  const cases: readonly (readonly [mebibytes: number, threads: number, heap: number])[] = [
    [384, 1, 115],
    [384, 2, 57],
    [384, 8, 32],
    [4_096, 4, 307],
    [1_048_576, 2, 4_096],
  ]
  for (const [mebibytes, threads, heap] of cases) {
    assert.equal(threadHeapMiB({ bytes: mebibytes * mebibyte, isContainer: true }, threads), heap)
  }
})

test("one line says how much each heap may take, and what to do where that is too much", () => {
  const container = { bytes: 384 * mebibyte, isContainer: true }
  assert.equal(
    memoryLine(container, 2, 115),
    "memory: 384 MiB of the container; heaps may take 115 MiB in the main thread and 57 MiB in each of 2 data-plane threads",
  )
  assert.match(memoryLine(container, 8, 115), /8 data-plane threads; that is little for so many threads/)
  assert.match(
    memoryLine({ bytes: 8 * gibibyte, isContainer: false }, 4, 2_048),
    /^memory: 8192 MiB of the machine/,
  )
})
