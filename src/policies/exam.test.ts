import assert from "node:assert/strict"
import { once } from "node:events"
import { suite, test } from "node:test"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import type { Backend } from "../core/backend.ts"
import type { Knowledge } from "../core/knowledge.ts"
import { resourcesDefault } from "../core/resources.ts"
import { mix32, seeded } from "../core/rng.ts"
import { fleet, outcome, request, type FakeBackend } from "../../test/support/backends.ts"
import { makePolicy, plainPolicy, policies, policyNames, type PolicyName } from "./index.ts"
import type { PickRequest, Policy } from "./policy.ts"

// The exam every policy sits. What a policy cannot meet is listed here with its reason, and shows as
// skipped.
const excused: Readonly<Record<string, Partial<Record<PolicyName, string>>>> = {
  "equal backends get equal shares": {
    "seed-ratio": "of equal backends the rule sends everything to the one registered first",
    ketama: "the arcs of a ring are as long as chance has it; its own test has their bounds",
    "ring-hash": "the arcs of a ring are as long as chance has it; its own test has their bounds",
    first: "it packs: everything goes to the one registered first",
  },
}

function make(name: PolicyName, seed = 1): Policy {
  const policy = makePolicy(plainPolicy(name), { rng: seeded(seed), resources: resourcesDefault })
  if (taught !== undefined) policy.learn?.(taught)
  return policy
}

/** What every policy is told before a question, in the second of the two exams of those that learn. */
let taught: Knowledge | undefined

/**
 * One route, known, to be spread evenly over a to h, of which h fails now and then; nothing that would treat one of the
 * others unlike another.
 */
const lesson: Knowledge = {
  version: 1,
  routes: [{ name: "", mean: Float64Array.of(5, 5), rate: 100, isLearned: true, holdMs: 50 }],
  capacities: new Map(),
  penalties: new Map([[pool()[7]!.id, 4]]),
  mix: { backends: pool().map((member) => member.id), shares: new Float64Array(8).fill(1 / 8) },
}

/** Eight of many kinds: capacities that repeat, one without storage, loads and weights that differ. */
function pool(): FakeBackend[] {
  return fleet(
    { capacity: [20, 40], inFlight: 3, reserved: [4, 9] },
    { capacity: [20, 40], inFlight: 3, reserved: [4, 9] },
    { capacity: [20, 5], weight: 2.5 },
    { capacity: [20, 0], inFlight: 1, reserved: [5, 0] },
    { capacity: [1, 1], weight: 0.1 },
    { capacity: [40, 40], inFlight: 9, reserved: [80, 70], weight: 4 },
    { capacity: [5, 20] },
    { capacity: [20, 40] },
  )
}

/** Requests of different demand and affinity. */
function requests(count: number, admits?: (backend: Backend) => boolean): PickRequest[] {
  const rng = seeded(9)
  return Array.from({ length: count }, (_, n) =>
    request([1 + rng.below(10), 1 + rng.below(10)], admits, mix32(n)),
  )
}

/** The one without storage cannot be compared by ratio, so it is left out where a pick must not be refused. */
const withStorage = (backend: Backend): boolean => backend.capacity[1]! > 0

const questions: Readonly<Record<string, (name: PolicyName) => void | Promise<void>>> = {
  "is made under the name it has in the table"(name) {
    assert.equal(make(name).name, name)
  },

  "picks none before it knows members, and none when there are none"(name) {
    const policy = make(name)
    assert.equal(policy.pick(request()), undefined)
    policy.rebuild(pool())
    policy.rebuild([])
    assert.equal(policy.pick(request()), undefined)
  },

  "picks only members the request admits"(name) {
    const members = pool()
    const policy = make(name)
    policy.rebuild(members)
    for (const [n, { demand, affinityHash }] of requests(2_000).entries()) {
      // The n-th request admits the members whose bits are set in n: every subset is met several times.
      const admits = (backend: Backend): boolean => ((n >> members.indexOf(backend as FakeBackend)) & 1) === 1
      const picked = policy.pick(request([...demand], admits, affinityHash))
      if (picked === undefined) assert.ok(!members.some((one) => admits(one) && withStorage(one)))
      else assert.ok(admits(picked), `request ${n} got ${picked.id}`)
    }
  },

  "finds the only one admitted"(name) {
    const members = pool().filter(withStorage)
    const policy = make(name)
    policy.rebuild(members)
    for (const only of members) {
      for (const one of requests(50, (backend) => backend === only)) assert.equal(policy.pick(one), only)
    }
  },

  "picks none when none is admitted, and recovers"(name) {
    const members = pool()
    const policy = make(name)
    policy.rebuild(members)
    for (const one of requests(50, () => false)) assert.equal(policy.pick(one), undefined)
    assert.ok(policy.pick(request()))
  },

  "picks the same with the same seed"(name) {
    const members = pool()
    const [one, other] = [make(name, 7), make(name, 7)]
    one.rebuild(members)
    other.rebuild(members)
    for (const each of requests(500)) assert.equal(one.pick(each), other.pick(each))
  },

  "picks the same whatever times it is told, when its entry says that it ignores them"(name) {
    if (policies[name].ignoresTimes !== true) return
    const members = pool()
    const [one, other] = [make(name, 7), make(name, 7)]
    one.rebuild(members)
    other.rebuild(members)
    for (const [n, each] of requests(500).entries()) {
      const picked = one.pick(each)!
      assert.equal(other.pick({ ...each, now: 1e6 - n }), picked)
      one.onSettled!(picked, outcome({ firstByteMs: n, totalMs: 2 * n }), n)
      other.onSettled!(picked, outcome({ firstByteMs: 9, totalMs: 9, isExact: false }), 1e6 - n)
    }
  },

  async "survives every change of membership"(name) {
    // Not at the top: the threads that count bytes have no use for it, and it takes longer to load than they
    // run.
    const fc = await import("fast-check")
    // Shrinks, grows, reorders, empties: any sequence of sub-orders of the pool, with some refused each time.
    const members = pool()
    const asked = requests(20)
    const changes = fc.array(fc.tuple(fc.shuffledSubarray(members, { minLength: 0 }), fc.nat(255)), {
      maxLength: 8,
    })
    const check = (sequence: readonly (readonly [readonly FakeBackend[], number])[]): void => {
      const policy = make(name)
      for (const [current, refused] of sequence) {
        const admits = (one: Backend): boolean => ((refused >> members.indexOf(one as FakeBackend)) & 1) === 0
        policy.rebuild(current)
        for (const { demand, affinityHash } of asked) {
          const picked = policy.pick(request([...demand], admits, affinityHash))
          if (picked === undefined) assert.ok(!current.some((one) => admits(one) && withStorage(one)))
          else assert.ok(current.includes(picked as FakeBackend) && admits(picked))
        }
      }
    }
    fc.assert(fc.property(changes, check), { seed: 1, numRuns: 200 })
  },

  "picks the new object when a member comes back as another"(name) {
    const policy = make(name)
    policy.rebuild(pool())
    policy.pick(request())
    const renewed = pool()
    policy.rebuild(renewed)
    for (const one of requests(50)) assert.ok(renewed.includes(policy.pick(one) as FakeBackend))
  },

  "equal backends get equal shares"(name) {
    // At worst each pick is an independent draw with p = 1/5: 4σ of a binomial with n = 10_000 is 160 picks.
    const members = fleet({}, {}, {}, {}, {})
    const policy = make(name)
    policy.rebuild(members)
    const wins = new Map<Backend, number>(members.map((one) => [one, 0]))
    for (const one of requests(10_000)) {
      const picked = policy.pick(one)!
      wins.set(picked, wins.get(picked)! + 1)
    }
    for (const [{ id }, won] of wins) assert.ok(Math.abs(won - 2_000) <= 160, `${id} won ${won}`)
  },

  "a pick changes no backend"(name) {
    const members = pool()
    const before = members.map(factsOf)
    const policy = make(name)
    policy.rebuild(members)
    for (const one of requests(500)) policy.pick(one)
    assert.deepEqual(members.map(factsOf), before)
  },

  async "a pick allocates nothing"(name) {
    // In a thread of its own, as in production, where a process knows one policy. A chooser that the compiler
    // has seen with several metrics calls them without looking inside, and then every fraction comes back as
    // an object. What it looks into depends on when it looks, on a busy machine the more, so it has twelve
    // chances: what allocates does so in all of them.
    let least = Infinity
    for (let chance = 0; chance < 12 && least >= 1; chance++) {
      const measured: Measured = { name, isTaught: taught !== undefined }
      const worker = new Worker(new URL(import.meta.url), { workerData: measured })
      const [bytes] = (await once(worker, "message")) as [number]
      least = Math.min(least, bytes)
    }
    assert.ok(least < 1, `${least.toFixed(2)} bytes a pick`)
  },
}

/** What a thread of its own is to measure. */
interface Measured {
  readonly name: PolicyName
  readonly isTaught: boolean
}

function bytesPerPick(name: PolicyName): number {
  const members = pool()
  const policy = make(name)
  policy.rebuild(members)
  live(policy, members)
  const asked = requests(64, (backend) => backend !== members[0])
  const picks = 50_000
  const run = (): void => {
    for (let i = 0; i < picks; i++) policy.pick(asked[i & 63]!)
  }
  for (let i = 0; i < 5; i++) run()

  // The smallest object takes 16 bytes, so one in each pick would show as at least 16. A run would make less
  // than a young generation of them, so none is collected before it is counted. The least of several runs is
  // free of what the compiler leaves behind meanwhile, and on a busy machine the compiler may be late.
  let least = Infinity
  for (let i = 0; i < 40 && least / picks >= 1; i++) {
    // The compiler works in a thread of its own, which needs a core now and then.
    if (i >= 5) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    collectGarbage()
    const before = getHeapStatistics().used_heap_size
    run()
    least = Math.min(least, getHeapStatistics().used_heap_size - before)
  }
  return least / picks
}

if (isMainThread) {
  for (const name of policyNames) {
    const learns = make(name).learn !== undefined
    for (const isTaught of learns ? [false, true] : [false]) {
      suite(`exam of ${name}${isTaught ? ", taught" : ""}`, () => {
        for (const [question, ask] of Object.entries(questions)) {
          const reason = excused[question]?.[name]
          test(question, reason === undefined ? {} : { skip: reason }, () => {
            taught = isTaught ? lesson : undefined
            return ask(name)
          })
        }
      })
    }
  }
} else {
  const { name, isTaught } = workerData as Measured
  taught = isTaught ? lesson : undefined
  parentPort?.postMessage(bytesPerPick(name))
}

/** The policy has been told of attempts on each, some of which have failed, with times that are no whole numbers. */
function live(policy: Policy, members: readonly Backend[]): void {
  const rng = seeded(3)
  for (let n = 0; n < 100; n++) {
    const picked = members[rng.below(members.length)]!
    policy.onBegun?.(
      picked,
      request([1, 1], () => true, undefined, { now: n }),
    )
    const firstByteMs = 100 * rng.next()
    const failed = rng.below(10) === 0
    const how = failed ? ({ result: "failure", status: 503 } as const) : {}
    policy.onSettled?.(picked, outcome({ ...how, firstByteMs, totalMs: firstByteMs + rng.next() }), n + 1)
  }
}

function factsOf({ id, capacity, weight, load }: FakeBackend): unknown {
  const reserved = Array.from(capacity, (_, resource) => load.reserved(resource))
  return { id, capacity: [...capacity], weight, inFlight: load.inFlight, reserved }
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc")
  const gc = runInNewContext("gc") as () => void
  gc()
}
