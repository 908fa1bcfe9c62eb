import assert from "node:assert/strict"
import { test } from "node:test"
import { memberAt } from "../../test/support/members.ts"
import type { Member } from "../membership/snapshot.ts"
import { type Asker, type Watch, Watches } from "./watches.ts"

const member = memberAt(0, { host: "127.0.0.1", port: 80 }, {})

/** Questions that get their response when the test says so, once per second, one at a time. */
class World implements Asker<string> {
  readonly concurrentMax = 1
  readonly asked: { readonly watch: Watch; readonly answer: (text: string) => void }[] = []
  readonly answers: [generation: number, answer: string][] = []
  readonly due: { ms: number; fn: () => void }[] = []
  readonly watches = new Watches(this, { now: () => 0 }, this)
  crowds = 0

  firstMs(): number {
    return 7
  }

  ask(watch: Watch): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.asked.push({ watch, answer: resolve })
    return promise
  }

  answered(watch: Watch, answer: string): void {
    this.answers.push([watch.generation, answer])
    this.watches.schedule(watch, 1_000)
  }

  crowded(watch: Watch): void {
    this.crowds++
    this.watches.schedule(watch, 100)
  }

  set(ms: number, fn: () => void): () => void {
    const one = { ms, fn }
    this.due.push(one)
    return () => void this.due.splice(this.due.indexOf(one), 1)
  }

  follow(...members: readonly Member[]): void {
    this.watches.follow({ version: 1, members, eligible: members })
  }

  /** The timer that was set first goes off; returns what it was set to. */
  pass(): number {
    const { fn, ms } = this.due.shift()!
    fn()
    return ms
  }

  async answer(text: string): Promise<void> {
    this.asked.shift()!.answer(text)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
}

test("a new member is asked after a while, and again after each response", async () => {
  const world = new World()
  world.follow(member)
  world.follow(member)
  assert.equal(world.pass(), 7)
  assert.equal(world.due.length, 0)
  await world.answer("well")
  assert.deepEqual(world.answers, [[1, "well"]])
  assert.equal(world.pass(), 1_000)
})

test("a response of a backend that has left, or has registered anew meanwhile, is dropped", async () => {
  const world = new World()
  world.follow(member)
  world.pass()
  world.follow({ ...member, generation: 2 })
  await world.answer("of the first")
  world.pass()
  await world.answer("of the second")
  world.pass()
  world.follow()
  await world.answer("of the one that left")
  assert.deepEqual(world.answers, [[2, "of the second"]])
  assert.equal(world.due.length, 0)
})

test("a backend whose turn comes while as many as may be are being asked is put off", async () => {
  const world = new World()
  const [one, other] = [member, memberAt(1, member.address, {})]
  world.follow(one, other)
  world.pass()
  world.pass()
  assert.deepEqual([world.asked.length, world.crowds], [1, 1])
  await world.answer("well")
  assert.equal(world.pass(), 100)
  assert.equal(world.asked[0]!.watch.id, other.id)
})

test("a bug in a question, or in what is done with a response, is reported, and the backend is asked again", async () => {
  const world = new World()
  const bugs: unknown[] = []
  const watches = new Watches(world, { now: () => 0 }, world, (error) => bugs.push(error))
  const ask = world.ask.bind(world)
  world.ask = () => {
    throw new Error("cannot ask")
  }
  watches.follow({ version: 1, members: [member], eligible: [member] })
  world.pass()
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  assert.match(String(bugs[0]), /cannot ask/)
  world.ask = ask
  world.answered = () => {
    throw new Error("cannot take it")
  }
  assert.equal(world.pass(), 1_000)
  await world.answer("well")
  assert.match(String(bugs[1]), /cannot take it/)
  // It counts as asked no more, so that its turn is not one too many.
  assert.equal(world.pass(), 1_000)
  assert.deepEqual([world.asked.length, world.crowds], [1, 0])
})
