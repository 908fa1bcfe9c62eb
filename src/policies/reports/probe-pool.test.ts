import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, request, type FakeBackend } from "../../../test/support/backends.ts"
import { seeded } from "../../core/rng.ts"
import { ProbePool } from "./probe-pool.ts"

type Response = readonly [inFlight: number, latencyMs: number]

function add(to: ProbePool, of: FakeBackend, inFlight: number, ms: number, now: number): void {
  to.add(of, Float64Array.of(inFlight, ms, now))
}

/** A pool with one response of each member, in order, and the members. */
function pool(
  responses: readonly Response[],
  { quantile = 0.84, uses = Infinity } = {},
): readonly [ProbePool, readonly FakeBackend[]] {
  const made = new ProbePool(seeded(1), quantile)
  const members = fleet(...responses.map(() => ({})))
  made.rebuild(members, uses)
  for (const [i, [inFlight, latency]] of responses.entries()) add(made, members[i]!, inFlight, latency, i)
  return [made, members]
}

test("of the cold ones the fastest wins, however idle a slower one is, and a hot one never", () => {
  // Of 2, 3, 4, 5, 90 the 0.84 quantile by rank is 90, so first none is hot; that of 0.8 is 5.
  const responses = [
    [2, 20],
    [3, 9],
    [4, 8],
    [5, 30],
    [90, 1],
  ] as const
  const [cold, members] = pool(responses)
  assert.equal(cold.use(request()), members[4])
  const [warm, others] = pool(responses, { quantile: 0.8 })
  assert.equal(warm.use(request()), others[2])
})

test("when all that are admitted are hot the one with the least in flight wins", () => {
  const [made, members] = pool(
    [
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
      [7, 5],
      [8, 1],
    ],
    { quantile: 0.5 },
  )
  const hot = request([1, 1], (one) => one === members[4] || one === members[5])
  assert.equal(made.use(hot), members[4])
  const [none, all] = pool(
    [
      [5, 1],
      [4, 9],
    ],
    { quantile: 0 },
  )
  assert.equal(none.use(request()), all[1])
})

test("the backend that is picked counts one more in flight from then on", () => {
  // 3 is the quantile. The first is picked until it is hot, then the second.
  const [made, members] = pool(
    [
      [1, 5],
      [3, 6],
      [9, 1],
    ],
    { quantile: 0.6 },
  )
  const picked = Array.from({ length: 4 }, () => made.use(request()))
  assert.deepEqual(picked, [members[0], members[0], members[0], members[1]])
})

test("a response is used up, and a fraction of a use is a matter of chance", () => {
  const [twice, [only]] = pool([[0, 1]], { uses: 2 })
  assert.deepEqual(
    [twice.use(request()), twice.use(request()), twice.use(request())],
    [only, only, undefined],
  )
  // 1.25 uses: one in four is good for two. 4σ of a binomial with n = 4,000 is 110.
  const made = new ProbePool(seeded(2), 1)
  made.rebuild([only!], 1.25)
  let second = 0
  for (let i = 0; i < 4_000; i++) {
    add(made, only!, 0, 1, i)
    made.use(request())
    if (made.use(request()) !== undefined) second++
  }
  assert.ok(Math.abs(second - 1_000) <= 110, `${second}`)
})

test("there is one response per backend, the last one, and sixteen in all", () => {
  const [made, members] = pool(Array.from({ length: 20 }, (_, i) => [0, 100 - i] as const))
  assert.equal(made.count, 16)
  add(made, members[10]!, 0, 1, 20)
  assert.equal(made.count, 16)
  assert.equal(made.use(request()), members[10])
  // The first four were the oldest and have gone.
  assert.equal(made.use(request([1, 1], (one) => members.indexOf(one as FakeBackend) < 4)), undefined)
})

test("responses from before a time are forgotten", () => {
  const [made, members] = pool([
    [0, 1],
    [0, 2],
    [0, 3],
  ])
  made.expire(1)
  assert.equal(made.count, 2)
  assert.equal(made.use(request()), members[1])
})

/** The members that two removals take out the responses of. */
function removed(responses: readonly Response[], quantile: number): number[] {
  const [made, members] = pool(responses, { quantile })
  const gone: number[] = []
  const isIn = (i: number): boolean => {
    // Looks without touching the pool under test for more than a count.
    const asked = request([1, 1], (one) => one === members[i])
    return made.use(asked) !== undefined
  }
  for (let n = 0; n < 2; n++) {
    made.removeOne()
    for (const i of responses.keys()) if (!gone.includes(i) && !isIn(i)) gone.push(i)
  }
  return gone
}

test("what leaves is in turns the oldest and the worst, which is the hottest before it is the slowest", () => {
  assert.deepEqual(
    removed(
      [
        [0, 1],
        [0, 9],
        [50, 2],
        [0, 3],
      ],
      0.75,
    ),
    [0, 2],
  )
  assert.deepEqual(
    removed(
      [
        [0, 1],
        [0, 9],
        [0, 2],
        [0, 3],
      ],
      1,
    ),
    [0, 1],
  )
})

test("the quantile is that of the last 64 responses", () => {
  const [made, members] = pool(
    [
      [0, 5],
      [1, 1],
    ],
    { quantile: 0.5 },
  )
  const [one, other] = members as [FakeBackend, FakeBackend]
  for (let i = 0; i < 40; i++) add(made, one, 100, 5, 2 + i)
  for (let i = 0; i < 64; i++) add(made, one, 10, 5, 50 + i)
  // Half of the last 64 are at most 10, so one with 10 is cold and fast enough; with 100 forgotten, 11 is hot.
  add(made, other, 11, 1, 200)
  assert.equal(made.use(request()), one)
})

test("responses go with the members that leave, and change over to new objects of the same name", () => {
  const [made, members] = pool([
    [0, 1],
    [0, 2],
    [0, 3],
  ])
  const renewed = fleet({}, {}, {})
  made.rebuild([renewed[2]!, renewed[1]!], Infinity)
  assert.equal(made.count, 2)
  assert.equal(made.use(request()), renewed[1])
  // A late response of one that has left is not taken; of one that was renewed it counts.
  add(made, members[0]!, 0, 0, 5)
  assert.equal(made.count, 2)
  add(made, members[2]!, 0, 0, 5)
  assert.equal(made.use(request()), renewed[2])
})
