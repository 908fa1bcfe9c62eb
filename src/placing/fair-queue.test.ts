import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { ofCapacity, resourcesOf } from "../../test/support/backends.ts"
import { FairQueue, type QueuePlace } from "./fair-queue.ts"

const v = (...amounts: number[]): Float64Array => Float64Array.from(amounts)
const forEver = 1e12

/** A fleet of one member with spaces, which holds what it is given. */
class Server {
  readonly queue: FairQueue<string>
  readonly served: string[] = []
  readonly #left: number[]

  constructor(capacity: readonly number[], passedMax?: number) {
    this.queue = new FairQueue(resourcesOf(...capacity.map(() => "space" as const)), 1_000, passedMax)
    this.queue.rebuild(ofCapacity(capacity))
    this.#left = [...capacity]
  }

  push(item: string, route: number, demand: readonly number[]): QueuePlace<string> {
    const place = this.queue.push(item, route, v(...demand), forEver)
    assert.ok(place !== undefined)
    return place
  }

  /** Tries every request that is next; returns those that have been served. */
  serve(): string[] {
    const before = this.served.length
    for (let place = this.queue.next(); place !== undefined; place = this.queue.next()) {
      if (place.demand.some((amount, r) => amount > this.#left[r]!)) this.queue.refuse(place)
      else {
        this.queue.take(place)
        this.hold(place.item, place.demand)
      }
    }
    return this.served.slice(before)
  }

  /** Routes are named by the first letter: a is 0, b is 1, … */
  hold(item: string, demand: Readonly<Float64Array>): void {
    this.served.push(item)
    this.queue.begun(item.charCodeAt(0) - 97, demand)
    for (const [r, amount] of demand.entries()) this.#left[r]! -= amount
  }

  end(item: string, demand: readonly number[]): void {
    this.queue.ended(item.charCodeAt(0) - 97, v(...demand))
    for (const [r, amount] of demand.entries()) this.#left[r]! += amount
    this.queue.roomFreed()
  }
}

test("the example of the DRF paper, step by step", () => {
  const server = new Server([9, 18])
  for (let i = 0; i < 6; i++) {
    server.push("b", 1, [3, 1])
    server.push("a", 0, [1, 4])
  }
  assert.equal(server.serve().join(""), "baaba")
})

test("two routes share spaces by their dominant shares, whatever order they came in", () => {
  for (const [capacity, a, b, expected] of [
    [
      [30, 30],
      [1, 3],
      [1, 1],
      [5, 15],
    ],
    [
      [100, 10_000],
      [2, 300],
      [6, 100],
      [20, 10],
    ],
  ] as const) {
    const server = new Server(capacity)
    for (let i = 0; i < 40; i++) server.push("a", 0, a)
    for (let i = 0; i < 40; i++) server.push("b", 1, b)
    server.serve()
    const count = (item: string): number => server.served.filter((one) => one === item).length
    assert.deepEqual([count("a"), count("b")], expected)
  }
})

test("a route that holds much waits for those that hold little, also when it did not wait for what it holds", () => {
  const server = new Server([10])
  server.hold("a", v(6))
  server.hold("b", v(2))
  server.hold("b", v(2))
  for (const item of ["a1", "a2"]) server.push(item, 0, [1])
  for (const item of ["b1", "b2", "b3"]) server.push(item, 1, [1])
  assert.deepEqual(server.serve(), [])
  server.end("b", [2])
  assert.deepEqual(server.serve(), ["b1", "b2"])
})

test("twice the weight is due twice the share", () => {
  const server = new Server([12])
  server.queue.weigh(0, 2)
  for (let i = 0; i < 12; i++) {
    server.push("a", 0, [1])
    server.push("b", 1, [1])
  }
  server.serve()
  assert.equal(server.served.filter((one) => one === "a").length, 8)
})

test("within a route it is first come, first served, and a smaller one does not pass", () => {
  const server = new Server([10])
  server.hold("b", v(6))
  for (const [item, need] of [
    ["a1", 5],
    ["a2", 1],
    ["a3", 5],
  ] as const) {
    server.push(item, 0, [need])
  }
  assert.deepEqual(server.serve(), [])
  server.end("b", [6])
  assert.deepEqual(server.serve(), ["a1", "a2"])
})

test("others pass a request that does not fit, so many times and not once more; then all wait for it", () => {
  const server = new Server([10], 3)
  server.hold("c", v(1))
  server.push("a-large", 0, [10])
  for (const item of ["b1", "b2", "b3", "b4", "b5"]) server.push(item, 1, [4])
  assert.deepEqual(server.serve(), ["b1", "b2"])
  server.end("b1", [4])
  assert.deepEqual(server.serve(), ["b3"])
  server.end("b2", [4])
  assert.deepEqual(server.serve(), [])
  assert.equal(server.queue.length, 3)
  server.end("b3", [4])
  server.end("c", [1])
  assert.deepEqual(server.serve(), ["a-large"])
  server.end("a", [10])
  assert.deepEqual(server.serve(), ["b4", "b5"])
})

test("a request that holds the line lets it go by leaving", () => {
  const server = new Server([10], 1)
  server.hold("c", v(1))
  const large = server.push("a", 0, [10])
  for (const item of ["b1", "b2", "b3"]) server.push(item, 1, [5])
  assert.deepEqual(server.serve(), ["b1"])
  server.end("b1", [5])
  assert.deepEqual(server.serve(), [])
  server.queue.remove(large)
  assert.deepEqual(server.serve(), ["b2"])
})

test("what no member could ever hold blocks its own route and no other", () => {
  const server = new Server([10], 2)
  server.push("a-huge", 0, [11])
  server.push("a2", 0, [1])
  for (let i = 0; i < 20; i++) {
    server.push("b", 1, [5])
    assert.deepEqual(server.serve(), ["b"])
    server.end("b", [5])
  }
  assert.equal(server.queue.length, 2)
})

test("a newcomer is tried without those that have been refused since there was room", () => {
  const server = new Server([10])
  server.hold("c", v(4))
  server.push("a", 0, [7])
  server.push("b", 1, [8])
  assert.deepEqual(server.serve(), [])
  assert.equal(server.queue.next(), undefined)
  const fresh = server.push("d1", 3, [2])
  assert.equal(server.queue.next(), fresh)
  assert.deepEqual(server.serve(), ["d1"])
  // Behind one of its own route that was refused it is not tried.
  server.push("b2", 1, [1])
  assert.equal(server.queue.next(), undefined)
})

/** Serves so many, all of which fit, and lists whose they were. */
function taken(queue: FairQueue<string>, count: number): string {
  let items = ""
  for (let i = 0; i < count; i++) {
    const place = queue.next()!
    queue.take(place)
    items += place.item
  }
  return items
}

test("where resources are rates, routes are served equal seconds of the resource each takes most of", () => {
  const queue = new FairQueue<string>(resourcesOf("rate", "rate"), 1_000)
  queue.rebuild(ofCapacity([5, 50], [5, 50]))
  for (let i = 0; i < 60; i++) {
    // 0.3 s of the first resource against 0.1 s of the second.
    queue.push("a", 0, v(3, 1), forEver)
    queue.push("b", 1, v(0.5, 10), forEver)
  }
  const items = taken(queue, 40)
  assert.equal(items.replaceAll("b", "").length, 10)
  // And evenly: three of b between two of a.
  assert.match(items, /^(abbb)+$/)
})

test("a route that did not wait has nothing saved up", () => {
  const queue = new FairQueue<string>(resourcesOf("rate"), 1_000)
  queue.rebuild(ofCapacity([1]))
  for (let i = 0; i < 50; i++) queue.push("a", 0, v(1), forEver)
  taken(queue, 30)
  for (let i = 0; i < 50; i++) queue.push("b", 1, v(1), forEver)
  const items = taken(queue, 20)
  const ofB = items.replaceAll("a", "").length
  assert.ok(ofB === 10 || ofB === 11, items)
})

test("without anything known of the fleet it is first come, first served", () => {
  const queue = new FairQueue<string>([], 10)
  for (const [i, item] of ["a", "b", "c", "d"].entries()) queue.push(item, i % 2, v(), forEver)
  assert.equal(taken(queue, 4), "abcd")
})

test("a full queue takes no request until one has left", () => {
  const queue = new FairQueue<string>(resourcesOf("space"), 2)
  const [one] = [queue.push("a", 0, v(1), 1), queue.push("b", 1, v(1), 1)]
  assert.equal(queue.push("c", 2, v(1), 1), undefined)
  queue.remove(one!)
  queue.remove(one!)
  assert.equal(queue.length, 1)
  assert.ok(queue.push("c", 2, v(1), 1))
})

test("those whose time is over are found by their deadlines, wherever they stand", () => {
  const queue = new FairQueue<string>(resourcesOf("space"), 10)
  queue.push("a1", 0, v(1), 300)
  queue.push("a2", 0, v(1), 100)
  queue.push("b1", 1, v(1), 200)
  assert.equal(queue.expired(99), undefined)
  const gone: string[] = []
  for (let late = queue.expired(200); late !== undefined; late = queue.expired(200)) {
    gone.push(late.item)
    queue.remove(late)
  }
  assert.deepEqual(gone, ["a2", "b1"])
  assert.equal(queue.next()!.item, "a1")
  assert.equal(queue.first!.item, "a1")
})

test("the one that is next is always the one that a look at all of them finds", () => {
  const resources = resourcesOf("space", "rate")
  const step = fc.record({
    what: fc.constantFrom("push", "push", "take", "refuse", "remove", "begun", "ended", "room"),
    route: fc.nat(4),
    demand: fc.tuple(fc.nat(5), fc.nat(5)),
    which: fc.nat(1_000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const queue = new FairQueue<number>(resources, 1_000, Infinity)
      queue.rebuild(ofCapacity([40, 40]))
      const waiting: QueuePlace<number>[] = []
      const refused = new Set<QueuePlace<number>>()
      const held: Float64Array[][] = [[], [], [], [], []]
      const starts = [0, 0, 0, 0, 0]
      let time = 0
      const headOf = (route: number): QueuePlace<number> | undefined =>
        waiting.find((one) => one.item === route)
      const leave = (place: QueuePlace<number>): void => {
        waiting.splice(waiting.indexOf(place), 1)
        refused.delete(place)
      }
      for (const { what, route, demand, which } of steps) {
        const next = queue.next()
        if (what === "push") {
          if (headOf(route) === undefined) starts[route] = Math.max(starts[route]!, time)
          waiting.push(queue.push(route, route, v(...demand), forEver)!)
        } else if (what === "begun") {
          queue.begun(route, v(...demand))
          held[route]!.push(v(...demand))
        } else if (what === "ended") {
          const settled = held[route]!.pop()
          if (settled !== undefined) queue.ended(route, settled)
        } else if (what === "room") {
          queue.roomFreed()
          refused.clear()
        } else if (what === "remove") {
          const place = waiting[which % Math.max(1, waiting.length)]
          if (place !== undefined) {
            queue.remove(place)
            leave(place)
          }
        } else if (next !== undefined && what === "take") {
          queue.take(next)
          leave(next)
          time = Math.max(time, starts[next.item]!)
          starts[next.item]! += next.demand[1]! / 40
        } else if (next !== undefined) {
          queue.refuse(next)
          refused.add(next)
        }

        const candidates = [0, 1, 2, 3, 4]
          .map((one) => headOf(one))
          .filter((one) => one !== undefined && !refused.has(one)) as QueuePlace<number>[]
        const share = (one: number): number => held[one]!.reduce((sum, vector) => sum + vector[0]!, 0) / 40
        const expected = candidates.toSorted(
          (one, other) =>
            share(one.item) - share(other.item) ||
            starts[one.item]! - starts[other.item]! ||
            waiting.indexOf(one) - waiting.indexOf(other),
        )[0]
        assert.equal(queue.next(), expected)
        assert.equal(queue.length, waiting.length)
      }
    }),
    { seed: 1, numRuns: 400 },
  )
})
