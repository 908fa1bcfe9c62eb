import assert from "node:assert/strict"
import { test } from "node:test"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as fc from "fast-check"
import { fleet, outcome, request, type FakeBackend } from "../../../test/support/backends.ts"
import type { Backend } from "../../core/backend.ts"
import { nothingKnown } from "../../core/knowledge.ts"
import { resourcesDefault } from "../../core/resources.ts"
import { mix32, seeded } from "../../core/rng.ts"
import { makeChooser, type ChoosingSpec } from "./chooser.ts"
import { plainPolicy, policyNames, type PolicyName } from "../index.ts"
import type { Policy } from "../policy.ts"
import { slowStartDefault } from "./slow-start.ts"
import { tierDefault } from "./tiers.ts"

/** Everything around a policy. */
const everything = {
  slowStart: { ...slowStartDefault, windowMs: 10_000 },
  subset: { size: 2, seed: 1 },
  aperture: { size: 1, balancers: 4, balancer: 1 },
  zone: { local: "a", membersMin: 3 },
  tiers: tierDefault,
  bind: true,
} as const satisfies Omit<ChoosingSpec, "policy">

function chooser(spec: Omit<ChoosingSpec, "policy">, name: PolicyName = "price"): Policy {
  return makeChooser({ policy: plainPolicy(name), ...spec }, { rng: seeded(1), resources: resourcesDefault })
}

/** Twelve in two tiers, three zones and one that said nothing, some of them new. */
function pool(): FakeBackend[] {
  return fleet(
    ...Array.from({ length: 12 }, (_, n) => ({
      tier: n % 3 === 0 ? 1 : 0,
      ...(n === 11 ? {} : { zone: ["a", "b", "c"][n % 4 === 3 ? 0 : n % 4]! }),
      eligibleSince: n % 5 === 0 ? n * 1_000 : -Infinity,
      weight: 1 + (n % 2),
      capacity: [5 + n, 20 - n],
    })),
  )
}

test("without anything around it, it is the policy itself", () => {
  for (const name of policyNames)
    assert.equal(
      Object.getPrototypeOf(chooser({}, name)),
      Object.getPrototypeOf(chooser({ slowStart: slowStartDefault }, name)),
    )
  assert.equal(chooser(everything, "maglev").name, "maglev")
})

test("for any nest, membership and refusals: a member itself, admitted, and found whenever there is one", () => {
  const all = pool()
  const ids = all.map(({ id }) => id)
  const nest = fc.record({
    slowStart: fc.option(fc.constant(everything.slowStart), { nil: undefined }),
    subset: fc.option(fc.record({ size: fc.integer({ min: 1, max: 5 }), seed: fc.nat(99) }), {
      nil: undefined,
    }),
    aperture: fc.option(
      fc.record({
        size: fc.integer({ min: 1, max: 5 }),
        balancers: fc.integer({ min: 3, max: 5 }),
        balancer: fc.nat(2),
      }),
      { nil: undefined },
    ),
    zone: fc.option(
      fc.record({ local: fc.constantFrom("a", "b", "z"), membersMin: fc.integer({ min: 0, max: 8 }) }),
      {
        nil: undefined,
      },
    ),
    tiers: fc.option(fc.constant(tierDefault), { nil: undefined }),
    bind: fc.boolean(),
  })
  const step = fc.record({
    members: fc.subarray(all.map((_, i) => i)),
    refused: fc.nat(4_095),
    now: fc.nat(40_000),
    key: fc.option(fc.nat(), { nil: undefined }),
    bound: fc.option(fc.constantFrom(...ids), { nil: undefined }),
  })
  // The rule of the seed cannot compare a backend that has none of a resource, but all have some of both here.
  const names = fc.constantFrom(...policyNames)
  fc.assert(
    fc.property(names, nest, fc.array(step, { minLength: 1, maxLength: 6 }), (name, spec, steps) => {
      const policy = chooser(spec, name)
      for (const { members: indices, refused, now, key, bound } of steps) {
        const members = indices.map((i) => all[i]!)
        policy.rebuild(members)
        policy.tick?.(now)
        policy.learn?.(nothingKnown)
        for (let n = 0; n < 6; n++) {
          const admits = (one: Backend): boolean => {
            const i = all.indexOf(one as FakeBackend)
            assert.notEqual(i, -1, "a view was not taken off")
            return ((refused >> i) & 1) === 0
          }
          const asked = request([1 + n, 6 - n], admits, key === undefined ? undefined : key + n, {
            boundTo: bound,
            now,
          })
          const picked = policy.pick(asked) as FakeBackend | undefined
          if (picked === undefined) {
            assert.ok(!members.some(admits))
            continue
          }
          assert.ok(members.includes(picked) && admits(picked))
          const boundMember = members.find(({ id }) => id === bound)
          if (spec.bind && boundMember !== undefined && admits(boundMember)) assert.equal(picked, boundMember)
          policy.onBegun?.(picked, asked)
          policy.onSettled?.(picked, outcome(), now)
        }
      }
    }),
    { seed: 1, numRuns: 500 },
  )
})

test("a key stays where it is, also where tiers and zones are drawn", () => {
  for (const name of ["maglev", "ring-hash", "rendezvous", "ketama", "hash"] as const) {
    const policy = chooser(
      {
        zone: { local: "a", membersMin: 3, origins: { a: 9, b: 1 } },
        tiers: { ...tierDefault, membersPerTier: [99, 99] },
      },
      name,
    )
    policy.rebuild(pool())
    const used = new Set<Backend>()
    for (let n = 0; n < 300; n++) {
      const asked = request([1, 1], undefined, mix32(n))
      const picked = policy.pick(asked)!
      used.add(picked)
      for (let again = 0; again < 3; again++) assert.equal(policy.pick(asked), picked)
    }
    assert.ok(used.size >= 6, `${name} used ${used.size}`)
  }
})

test("a network stays where it is with ip-hash, whatever its keys", () => {
  const policy = chooser({ zone: { local: "a", membersMin: 3, origins: { a: 9, b: 1 } } }, "ip-hash")
  policy.rebuild(pool())
  const used = new Set<Backend | undefined>()
  for (let n = 0; n < 100; n++) {
    const clientAddress = Uint8Array.of(10, n, 1, 1)
    const picked = [1, 2, 3].map((key) =>
      policy.pick(request([1, 1], undefined, mix32(key), { clientAddress })),
    )
    assert.equal(new Set(picked).size, 1)
    used.add(picked[0])
  }
  assert.ok(new Set([...used].map((one) => one?.zone)).size > 1)
})

test("has the methods of the policy inside and no more, so that time is exact only where it is needed", () => {
  for (const name of policyNames) {
    const [inner, outer] = [chooser({}, name), chooser(everything, name)]
    for (const method of ["onBegun", "onSettled", "onReport"] as const) {
      assert.equal(outer[method] === undefined, inner[method] === undefined, `${method} of ${name}`)
    }
  }
})

test("what is around a policy allocates nothing in a pick", () => {
  // A policy without a load metric inside: where so many calls are nested, the compiler may not inline the metric, and
  // then hands over its result as an object. That is no doing of what is around it.
  const policy = chooser(everything, "weighted-round-robin")
  const members = pool()
  policy.rebuild(members)
  policy.tick?.(11_000)
  const asked = Array.from({ length: 64 }, (_, n) =>
    request([1 + (n % 7), 3], (one) => one !== members[n % 12], mix32(n), {
      boundTo: n % 4 === 0 ? members[n % 12]!.id : undefined,
    }),
  )
  const picks = 50_000
  const run = (): void => {
    for (let i = 0; i < picks; i++) policy.pick(asked[i & 63]!)
  }
  for (let i = 0; i < 5; i++) run()
  // As in the exam: one object of the smallest kind in each pick would show as at least 16 bytes.
  setFlagsFromString("--expose-gc")
  const collectGarbage = runInNewContext("gc") as () => void
  let least = Infinity
  // The compiler works beside the program, and on a busy machine it is late.
  for (let i = 0; i < 60 && least / picks >= 1; i++) {
    collectGarbage()
    const before = getHeapStatistics().used_heap_size
    run()
    least = Math.min(least, getHeapStatistics().used_heap_size - before)
  }
  assert.ok(least / picks < 1, `${(least / picks).toFixed(2)} bytes per pick`)
})
