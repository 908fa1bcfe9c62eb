import assert from "node:assert/strict"
import { test } from "node:test"
import { seeded } from "../core/rng.ts"
import { IndexedHeap } from "./indexed-heap.ts"

class Entry {
  at = -1
  key: number

  constructor(key: number) {
    this.key = key
  }
}

test("the first is the least, through additions, removals from the middle and changes of order", () => {
  const rng = seeded(1)
  const heap = new IndexedHeap<Entry>((one, other) => one.key < other.key)
  const inside: Entry[] = []
  for (let i = 0; i < 5_000; i++) {
    const what = rng.below(5)
    const one = inside[rng.below(Math.max(1, inside.length))]
    if (what < 2 || one === undefined) {
      const added = new Entry(rng.below(100))
      heap.add(added)
      inside.push(added)
    } else if (what < 4) {
      one.key = rng.below(100)
      heap.moved(one)
    } else {
      heap.remove(one)
      inside.splice(inside.indexOf(one), 1)
      assert.equal(one.at, -1)
    }
    assert.equal(heap.length, inside.length)
    assert.equal(heap.first?.key, inside.length === 0 ? undefined : Math.min(...inside.map(({ key }) => key)))
  }
})

test("to remove or move what is not inside changes nothing", () => {
  const heap = new IndexedHeap<Entry>((one, other) => one.key < other.key)
  const [inside, outside] = [new Entry(2), new Entry(1)]
  heap.add(inside)
  heap.remove(outside)
  heap.moved(outside)
  assert.equal(heap.first, inside)
  assert.equal(heap.length, 1)
})
