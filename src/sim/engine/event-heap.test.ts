import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { DueHeap, EventHeap } from "./event-heap.ts"

test("events come by time, those of one time in the order in which they were pushed", () => {
  // Few different times, so that many are equal; true is a pop.
  const steps = fc.array(fc.oneof(fc.nat(8), fc.constant(true)), { maxLength: 400, size: "max" })
  fc.assert(
    fc.property(steps, (found) => {
      const heap = new EventHeap()
      const expected: { readonly at: number; readonly subject: number }[] = []
      const popAndCompare = (): void => {
        const first = Math.min(...expected.map(({ at }) => at))
        const index = expected.findIndex(({ at }) => at === first)
        const [next] = expected.splice(index, 1)
        assert.equal(heap.dueAt, first)
        heap.pop()
        assert.deepEqual([heap.kind, heap.subject, heap.detail], [1, next!.subject, 7 - next!.subject])
      }
      for (const [subject, step] of found.entries()) {
        if (step === true) {
          if (expected.length > 0) popAndCompare()
          continue
        }
        heap.push(step, 1, subject, 7 - subject)
        expected.push({ at: step, subject })
      }
      while (expected.length > 0) popAndCompare()
      assert.equal(heap.size, 0)
      assert.equal(heap.dueAt, Infinity)
    }),
  )
})

test("what is due first is known whatever was set before, the lower number of equal ones", () => {
  const times = fc.oneof(fc.nat(5), fc.constant(Infinity))
  const steps = fc.array(fc.tuple(fc.nat(12), times), { maxLength: 300, size: "max" })
  fc.assert(
    fc.property(steps, (found) => {
      const heap = new DueHeap(13)
      const expected = Array.from({ length: 13 }, () => Infinity)
      for (const [thing, at] of found) {
        heap.set(thing, at)
        expected[thing] = at
        const first = Math.min(...expected)
        assert.equal(heap.dueAt, first)
        assert.equal(heap.first, expected.indexOf(first))
      }
    }),
  )
})

test("nothing is due where there are no things", () => {
  assert.equal(new DueHeap(0).dueAt, Infinity)
})
