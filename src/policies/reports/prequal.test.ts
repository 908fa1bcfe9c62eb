import assert from "node:assert/strict"
import { test } from "node:test"
import { fleet, outcome, request, resourcesOf, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { seeded } from "../../core/rng.ts"
import { policySpec } from "../index.ts"
import type { PickRequest, Prober } from "../policy.ts"
import { Prequal } from "./prequal.ts"

function made(given: Readonly<Record<string, number>> = {}, prober?: Prober): Prequal {
  const spec = policySpec("prequal", given)
  assert.ok(spec.ok)
  const resources = resourcesOf("rate", "rate")
  return new Prequal({ rng: seeded(1), resources, parameters: spec.value.parameters, prober })
}

function at(now: number, admits?: (backend: Backend) => boolean): PickRequest {
  return request([1, 1], admits, undefined, { now })
}

type Respond = Parameters<Prober["probe"]>[1]

/** Keeps probes until they get a response. */
class SlowProber implements Prober {
  asked: { readonly backend: Backend; readonly respond: Respond }[] = []

  probe(backend: Backend, respond: Respond): void {
    this.asked.push({ backend, respond })
  }

  /** Responds to all by what is said of the backend. */
  respondAll(now: number, say: (backend: Backend) => readonly [number, number]): void {
    for (const { backend, respond } of this.asked.splice(0)) respond(...say(backend), now)
  }
}

test("three members are asked with each pick, each as often as the others and none twice at once", () => {
  const prober = new SlowProber()
  const policy = made({}, prober)
  const members = fleet(...Array.from({ length: 10 }, () => ({})))
  policy.rebuild(members)
  const counts = new Map<Backend, number>()
  for (let i = 0; i < 2_000; i++) {
    policy.pick(at(0))
    assert.equal(new Set(prober.asked.map(({ backend }) => backend)).size, 3)
    for (const { backend } of prober.asked) counts.set(backend, (counts.get(backend) ?? 0) + 1)
    prober.respondAll(0, () => [0, 1])
  }
  // Each is asked with probability 0.3: σ of a binomial with n = 2,000 is 20.5, and 4σ 82.
  for (const member of members) assert.ok(Math.abs(counts.get(member)! - 600) <= 82)
})

test("a fraction of a probe is asked every so often", () => {
  const prober = new SlowProber()
  const policy = made({ probesPerPick: 0.25 }, prober)
  policy.rebuild(fleet({}, {}, {}))
  for (let i = 0; i < 40; i++) policy.pick(at(0))
  assert.equal(prober.asked.length, 10)
})

test("picks by the responses, and at random before there are two responses", () => {
  const prober = new SlowProber()
  const policy = made({}, prober)
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  const first = new Set(Array.from({ length: 20 }, () => policy.pick(at(0))))
  assert.equal(first.size, 3)
  prober.respondAll(0, (one) => (one === members[1] ? [2, 5] : [2, 50]))
  assert.equal(policy.pick(at(0)), members[1])
})

test("a response is good for a second, and one that comes later than that is not taken", () => {
  const prober = new SlowProber()
  const policy = made({}, prober)
  const members = fleet({}, {})
  policy.rebuild(members)
  const fast = (one: Backend): readonly [number, number] => (one === members[0] ? [0, 1] : [0, 9])
  policy.pick(at(0))
  prober.respondAll(10, fast)
  assert.equal(policy.pick(at(1_010)), members[0])
  prober.respondAll(1_010, fast)
  const late = prober.asked
  const found = new Set<unknown>()
  for (let i = 0; i < 30; i++) found.add(policy.pick(at(2_011)))
  assert.equal(found.size, 2)
  policy.tick(3_012)
  for (const { respond } of late.splice(0)) respond(0, 1, 3_012)
  for (let i = 0; i < 30; i++) found.add(policy.pick(at(3_012)))
  assert.equal(found.size, 2)
})

test("no more than 64 probes are on their way, and those without a response make room for others", () => {
  const prober = new SlowProber()
  const policy = made({}, prober)
  const members = fleet({}, {}, {}, {})
  policy.rebuild(members)
  for (let i = 0; i < 50; i++) policy.pick(at(0))
  assert.equal(prober.asked.length, 64)
  policy.tick(1_000)
  policy.pick(at(1_000))
  assert.equal(prober.asked.length, 64)
  policy.tick(1_001)
  policy.pick(at(1_001))
  assert.equal(prober.asked.length, 67)
})

test("a second response to one probe is not taken", () => {
  const prober = new SlowProber()
  const policy = made({ probesPerPick: 2 }, prober)
  const members = fleet({}, {})
  policy.rebuild(members)
  policy.pick(at(0))
  const [one] = prober.asked
  one!.respond(0, 1, 0)
  one!.respond(0, 1, 0)
  // Still a single response: picks are at random.
  assert.equal(new Set(Array.from({ length: 30 }, () => policy.pick(at(0)))).size, 2)
})

test("without a prober it goes by its own attempts: away from slow backends, and from those with much in flight", () => {
  const policy = made()
  const members = fleet({}, {}, {}) as [FakeBackend, FakeBackend, FakeBackend]
  policy.rebuild(members)
  for (const [i, firstByteMs] of [80, 5, 40].entries()) {
    for (let n = 0; n < 5; n++) policy.onSettled(members[i]!, outcome({ firstByteMs }), 0)
  }
  for (let i = 0; i < 20; i++) assert.equal(policy.pick(at(0)), members[1])
  // Too much in flight: hot, as the quantile of many responses is below it when only a third of them are like it.
  members[1].load.inFlight = 30
  const eager = made({ hotQuantile: 0.6 })
  eager.rebuild(members)
  for (let i = 0; i < 60; i++) eager.pick(at(0))
  for (let i = 0; i < 20; i++) assert.notEqual(eager.pick(at(0)), members[1])
})

test("a slow backend gets another look when what is known of it has grown old", () => {
  const policy = made()
  const members = fleet({}, {}, {})
  policy.rebuild(members)
  for (const [i, member] of members.entries())
    policy.onSettled(member, outcome({ firstByteMs: i === 0 ? 900 : 5 }), 0)
  for (let i = 0; i < 50; i++) assert.notEqual(policy.pick(at(9_000)), members[0])
  for (const member of members.slice(1)) policy.onSettled(member, outcome({ firstByteMs: 5 }), 9_500)
  assert.equal(policy.pick(at(10_001)), members[0])
})

/** The paper's rule, told as plainly as it can be. Of several that are equal it names all. */
class PlainPrequal {
  readonly uses: number
  pool: { readonly of: Backend; inFlight: number; readonly ms: number; readonly at: number; used: number }[] =
    []
  readonly counts: number[] = []
  turns = 0

  constructor(uses: number) {
    this.uses = uses
  }

  responded(of: Backend, inFlight: number, ms: number, at: number): void {
    this.counts.push(inFlight)
    this.pool = [...this.pool.filter((one) => one.of !== of), { of, inFlight, ms, at, used: 0 }].slice(-16)
  }

  /** The best of those that are admitted, all that are equal; none when it is a matter of chance alone. */
  best(admits: (backend: Backend) => boolean, now: number): readonly Backend[] {
    this.pool = this.pool.filter(({ at }) => now - at <= 1_000)
    if (this.pool.length < 2) return []
    const admitted = this.pool.filter(({ of }) => admits(of))
    const cold = admitted.filter(({ inFlight }) => inFlight <= this.#limit)
    const fastest = Math.min(...cold.map(({ ms }) => ms))
    const left = cold.length > 0 ? cold.filter(({ ms }) => ms === fastest) : admitted
    const fewest = Math.min(...left.map(({ inFlight }) => inFlight))
    return left.filter(({ inFlight }) => inFlight === fewest).map(({ of }) => of)
  }

  picked(backend: Backend): void {
    const one = this.pool.find(({ of }) => of === backend)!
    one.inFlight++
    one.used++
    this.pool = this.pool.filter(({ used }) => used < this.uses)
  }

  /** In turns the oldest, and the hottest or else the slowest. */
  forgetOne(): void {
    this.turns += this.pool.length === 0 ? 0 : 1
    const hot = this.pool.filter(({ inFlight }) => inFlight > this.#limit)
    const byWorst = this.pool.toSorted((x, y) => y.ms - x.ms || y.inFlight - x.inFlight)
    const worst = hot.length > 0 ? hot.toSorted((x, y) => y.inFlight - x.inFlight)[0] : byWorst[0]
    const gone = this.turns % 2 === 1 ? this.pool[0] : worst
    this.pool = this.pool.filter((one) => one !== gone)
  }

  /** The 0.84 quantile of the last 64 counts. */
  get #limit(): number {
    const counts = this.counts.slice(-64).toSorted((x, y) => x - y)
    return counts[Math.ceil(counts.length * 0.84) - 1]!
  }
}

// Uses by the paper's formula, (1 + 1) / ((1 − 16 / members) · probes − 1), where that is a whole number.
for (const [count, probesPerPick, uses] of [
  [12, 3, Infinity],
  [24, 9, 1],
  [24, 6, 2],
  [32, 3, 4],
] as const) {
  test(`picks what the plainly written rule picks: ${count} members, ${probesPerPick} probes per pick`, () => {
    const rng = seeded(count)
    const prober = new SlowProber()
    const policy = made({ probesPerPick }, prober)
    const plain = new PlainPrequal(uses)
    const members = fleet(...Array.from({ length: count }, () => ({})))
    policy.rebuild(members)
    let now = 0
    let judged = 0
    for (let step = 0; step < 4_000; step++) {
      now += rng.below(100) === 0 ? 900 : rng.below(20)
      for (const one of prober.asked.splice(0)) {
        if (rng.below(3) === 0) {
          prober.asked.push(one)
          continue
        }
        // Few different ones, so that many are equal.
        const inFlight = rng.below(12)
        const ms = rng.below(8)
        one.respond(inFlight, ms, now)
        plain.responded(one.backend, inFlight, ms, now)
      }
      const out = new Set<Backend>(members.filter(() => rng.below(4) === 0))
      const admits = (backend: Backend): boolean => !out.has(backend)
      const best = plain.best(admits, now)
      const picked = policy.pick(at(now, admits))!
      if (best.length > 0) {
        assert.ok(best.includes(picked), `step ${step}: ${picked.id}`)
        plain.picked(picked)
        judged++
      } else assert.ok(admits(picked))
      plain.forgetOne()
    }
    assert.ok(judged > 2_000, `${judged}`)
  })
}
