import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import type { BackendId } from "../core/backend.ts"
import { amountMax, resourcesDefault } from "../core/resources.ts"
import type { Result } from "../core/result.ts"
import type { Registration } from "./registration.ts"
import { registrationLimits } from "./registration.ts"
import type { RegistryError } from "./registry-errors.ts"
import { Registry, type RegistryOptions } from "./registry.ts"
import type { Slots } from "./slots.ts"
import type { Member, Snapshot } from "./snapshot.ts"

test("a backend that registers is probed first and serves after one passed check", () => {
  const { registry } = made()
  const lease = value(registry.register(registration("a"), 0))
  assert.deepEqual(lease, {
    id: "a",
    generation: 100,
    ttlMs: 10_000,
    renewMs: 2_000,
    state: "probing",
    created: true,
  })
  assert.deepEqual(registry.snapshot.eligible, [])

  pass(registry, "a", 5)
  assert.equal(member(registry, "a").state, "serving")
  assert.deepEqual(registry.snapshot.eligible, registry.snapshot.members)
})

test("members stay in order of registration, also when one registers again", () => {
  const { registry } = made()
  for (const id of ["b", "a", "c", "a"]) value(registry.register(registration(id), 0))
  assert.deepEqual(ids(registry.snapshot.members), ["b", "a", "c"])
})

test("without renewals a member is suspect after 5 s and gone after 10 s", () => {
  const { registry } = serving("a")
  assert.equal(registry.expire(0), 5_000)
  assert.equal(registry.expire(4_999), 5_000)
  assert.equal(member(registry, "a").state, "serving")

  assert.equal(registry.expire(5_000), 10_000)
  assert.equal(member(registry, "a").state, "suspect")

  assert.equal(registry.expire(10_000), undefined)
  assert.deepEqual(registry.snapshot.members, [])
  assert.equal(code(registry.renew("a", {}, 10_001)), "unknown_backend")
})

test("a renewal makes a suspect serve again", () => {
  const { registry } = serving("a")
  registry.expire(6_000)
  assert.equal(value(registry.renew("a", {}, 7_000)).state, "serving")
  assert.equal(registry.expire(7_000), 12_000)
})

test("suspects are eligible only while no member serves", () => {
  const { registry } = serving("a", "b")
  value(registry.renew("b", {}, 4_000))
  registry.expire(5_000)
  assert.deepEqual(ids(registry.snapshot.eligible), ["b"])
  registry.expire(9_000)
  assert.deepEqual(ids(registry.snapshot.eligible), ["a", "b"])
})

test("many leases that lapse together make one new snapshot", () => {
  const { registry } = serving("a", "b", "c")
  const before = registry.snapshot.version
  registry.expire(10_000)
  assert.equal(registry.snapshot.version, before + 1)
})

test("a member with its own ttl renews and is suspected in the same proportion", () => {
  const { registry } = made()
  assert.equal(value(registry.register({ ...registration("a"), ttlMs: 60_000 }, 0)).renewMs, 12_000)
  pass(registry, "a", 1)
  assert.equal(registry.expire(29_999), 30_000)
  assert.equal(registry.expire(30_000), 60_000)
  assert.match(member(registry, "a").reason, /30 s/)
})

test("time in which the balancer did not listen is not held against its members", () => {
  const { registry } = serving("a")
  registry.forgive(8_000, 12_000)
  registry.expire(12_000)
  assert.equal(member(registry, "a").state, "serving")
  registry.forgive(100_000, 13_000)
  assert.equal(registry.details(id("a"), 13_000)?.expiresInMs, 10_000)
})

test("what readers need not know leaves the snapshot as it is", () => {
  const { registry } = serving("a")
  const before = registry.snapshot
  value(registry.renew("a", { utilization: { compute: 0.4 }, inFlight: 3 }, 1_000))
  value(registry.renew("a", { capacity: { compute: 20 } }, 1_500))
  fail(registry, "a", 2_000)
  pass(registry, "a", 3_000)
  registry.expire(4_000)
  assert.equal(registry.snapshot, before)
})

test("a snapshot cannot be changed", () => {
  const { registry } = serving("a")
  const { members } = registry.snapshot
  assert.throws(() => (members as Member[]).pop(), TypeError)
  assert.throws(() => ((members[0] as { weight: number }).weight = 2), TypeError)
  assert.throws(() => ((members[0]!.labels as Record<string, string>)["x"] = "y"), TypeError)
})

test("the same incarnation at the same address renews, keeps its generation and may change the rest", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 7 }, 0))
  pass(registry, "a", 1)
  const again = value(
    registry.register(
      { ...registration("a"), incarnation: 7, weight: 3, capacity: { compute: 1, storage: 2 } },
      900,
    ),
  )
  assert.equal(again.generation, 100)
  assert.equal(again.created, false)
  assert.equal(again.state, "serving")
  const { weight, capacity } = member(registry, "a")
  assert.deepEqual({ weight, capacity }, { weight: 3, capacity: { compute: 1, storage: 2 } })
})

test("registering again without an incarnation is a new generation with the same row and health", () => {
  const { registry } = serving("a")
  const { slot } = member(registry, "a")
  const again = value(registry.register(registration("a"), 1_000))
  assert.equal(again.generation, 101)
  assert.equal(again.state, "serving")
  assert.equal(again.created, false)
  assert.equal(member(registry, "a").slot, slot)
})

test("a new address or incarnation is probed before it gets traffic", () => {
  for (const change of [{ address: { host: "10.0.0.2", port: 1 } }, { incarnation: 2 }]) {
    const { registry } = made()
    value(registry.register({ ...registration("a"), incarnation: 1 }, 0))
    pass(registry, "a", 1)
    const again = value(registry.register({ ...registration("a"), incarnation: 1, ...change }, 2))
    assert.equal(again.state, "probing")
    assert.equal(again.generation, 101)
  }
})

test("a replaced process can neither renew nor drain nor remove its successor", () => {
  const { registry } = made()
  const old = value(registry.register(registration("a"), 0)).generation
  value(registry.register(registration("a"), 1))
  assert.equal(code(registry.renew("a", { generation: old }, 2)), "stale_generation")
  assert.equal(code(registry.drain("a", old, 2)), "stale_generation")
  assert.equal(code(registry.undrain("a", old)), "stale_generation")
  assert.equal(code(registry.remove("a", old)), "stale_generation")
  assert.equal(member(registry, "a").generation, old + 1)
})

test("a check of an earlier generation says nothing about the present one", () => {
  const { registry } = made()
  const old = value(registry.register(registration("a"), 0)).generation
  value(registry.register(registration("a"), 1))
  assert.equal(registry.checked(id("a"), old, { passed: true }, 2), undefined)
  assert.equal(member(registry, "a").state, "probing")
})

test("an earlier incarnation is refused while its successor's lease lives, and no longer", () => {
  const { registry } = serving()
  value(registry.register({ ...registration("a"), incarnation: 5 }, 0))
  value(registry.register({ ...registration("a"), incarnation: 6 }, 1))
  pass(registry, "a", 1)
  const early = refusal(registry.register({ ...registration("a"), incarnation: 5 }, 10_000))
  assert.equal(early.code, "stale_incarnation")
  assert.match(early.message, /incarnation 6 of a holds the lease; 5 can take it over/)
  value(registry.renew("a", {}, 10_000))
  assert.equal(code(registry.register({ ...registration("a"), incarnation: 5 }, 19_999)), "stale_incarnation")
  // Also when nothing has noticed yet that the lease has ended.
  const lease = value(registry.register({ ...registration("a"), incarnation: 5 }, 20_000))
  assert.equal(lease.created, false)
  assert.equal(code(registry.register({ ...registration("a"), incarnation: 4 }, 20_001)), "stale_incarnation")
})

test("when a successor has left, an earlier incarnation may register at once", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 6 }, 0))
  value(registry.remove("a"))
  value(registry.register({ ...registration("a"), incarnation: 5 }, 1))
})

test("the highest incarnation keeps others out for a usual lease at most, whatever lease it asks for", () => {
  const { registry } = made()
  const usurper = { ...registration("a"), incarnation: Number.MAX_SAFE_INTEGER }
  for (const [ttlMs, ends] of [
    [1_000, 1_000],
    [600_000, 10_000],
  ] as const) {
    value(registry.register({ ...usurper, ttlMs }, 0))
    assert.equal(
      code(registry.register({ ...registration("a"), incarnation: 5 }, ends - 1)),
      "stale_incarnation",
    )
    value(registry.register({ ...registration("a"), incarnation: 5 }, ends))
    value(registry.remove("a"))
  }
})

test("a long lease of a backend that passes its checks protects it for all of its time", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 6, ttlMs: 60_000 }, 0))
  pass(registry, "a", 1)
  assert.equal(code(registry.register({ ...registration("a"), incarnation: 5 }, 59_999)), "stale_incarnation")
})

test("a holder without an incarnation is replaced by whichever registers", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 6 }, 0))
  value(registry.register(registration("a"), 1))
  value(registry.register({ ...registration("a"), incarnation: 5 }, 2))
})

test("two processes that take one id from each other keep one row, one member and one live generation", () => {
  const { registry, retired } = made()
  let generation = 0
  for (let turn = 0; turn < 20; turn++) {
    const address = { host: "10.0.0.1", port: 8_080 + (turn % 2) }
    const lease = value(registry.register({ ...registration("a"), incarnation: 7, address }, turn))
    assert.ok(lease.generation > generation)
    if (generation > 0) assert.equal(code(registry.renew("a", { generation }, turn)), "stale_generation")
    generation = lease.generation
    value(registry.renew("a", { generation }, turn))
    assert.equal(registry.snapshot.members.length, 1)
    assert.equal(member(registry, "a").slot, 0)
  }
  assert.deepEqual(retired, [])
  value(registry.remove("a", generation))
  assert.deepEqual(retired, [{ slot: 0, version: registry.snapshot.version }])
})

test("many that register before the snapshot is read make one snapshot, and a row goes back with the next one", () => {
  const { registry, retired } = made()
  const { version } = registry.snapshot
  for (let i = 0; i < 100; i++) value(registry.register(registration(`b${i}`), i))
  for (let i = 0; i < 50; i++) value(registry.remove(`b${i}`))
  assert.equal(registry.snapshot.version, version + 1)
  assert.equal(registry.snapshot.members.length, 50)
  assert.deepEqual(new Set(retired.map((one) => one.version)), new Set([version + 1]))
})

test("a draining member gets nothing new, renews without serving, and serves again when it is told to", () => {
  const { registry } = serving("a")
  assert.equal(value(registry.drain("a", undefined, 100)).state, "draining")
  assert.deepEqual(registry.snapshot.eligible, [])
  assert.equal(value(registry.renew("a", {}, 200)).state, "draining")
  assert.equal(registry.details(id("a"), 300)?.drainingForMs, 200)
  assert.equal(value(registry.undrain("a")).state, "serving")
})

test("a drained member that registers anew serves again", () => {
  const { registry } = serving("a")
  value(registry.drain("a", undefined, 100))
  assert.equal(value(registry.register(registration("a"), 200)).state, "serving")
})

test("the same incarnation that registers while draining goes on draining", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 1 }, 0))
  value(registry.drain("a", undefined, 1))
  assert.equal(value(registry.register({ ...registration("a"), incarnation: 1 }, 2)).state, "draining")
})

test("failing checks eject a member, which keeps its lease and comes back after two passes", () => {
  const { registry } = serving("a")
  for (const at of [1, 2, 3]) fail(registry, "a", at)
  assert.equal(member(registry, "a").state, "ejected")
  assert.equal(member(registry, "a").reason, "3 checks in a row failed: connection refused")
  assert.deepEqual(registry.snapshot.eligible, [])
  pass(registry, "a", 4)
  assert.equal(member(registry, "a").state, "ejected")
  pass(registry, "a", 5)
  assert.equal(member(registry, "a").state, "serving")
})

test("details tell the page what ticks", () => {
  const { registry } = serving("a")
  value(registry.renew("a", { utilization: { compute: 0.4 }, inFlight: 3 }, 1_000))
  fail(registry, "a", 2_000)
  assert.deepEqual(registry.details(id("a"), 2_500), {
    keptBy: "renewals",
    ttlMs: 10_000,
    expiresInMs: 8_500,
    utilization: { compute: 0.4 },
    inFlight: 3,
    drainingForMs: undefined,
    health: { condition: "healthy", passes: 0, failures: 1 },
    check: { lastPassed: false, lastAgoMs: 500, lastError: "connection refused" },
  })
  assert.equal(registry.details(id("b"), 0), undefined)
})

test("a renewal may change the capacity of some resources", () => {
  const { registry } = serving("a")
  value(registry.renew("a", { capacity: { storage: 7 } }, 1))
  assert.deepEqual(member(registry, "a").capacity, { compute: 20, storage: 7 })
})

test("a backend of the seed is known by its address and needs no renewals", () => {
  const { registry } = made({ legacyPort: 8_000 })
  const lease = value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 0))
  assert.equal(lease.id, "seed-10.0.0.7")
  pass(registry, lease.id, 1)
  assert.equal(registry.expire(10_000_000), undefined)
  const { address, keptBy, state } = member(registry, lease.id)
  assert.deepEqual(
    { address, keptBy, state },
    { address: { host: "10.0.0.7", port: 8_000 }, keptBy: "ping-acks", state: "serving" },
  )
  assert.equal(registry.details(lease.id, 5)?.expiresInMs, undefined)
})

test("a backend of the seed with an IPv6 address has a valid id", () => {
  const { registry } = made()
  assert.equal(value(registry.announce("::1", { compute: 1, storage: 1 }, 0)).id, "seed-::1")
  assert.equal(
    value(registry.announce("fe80::1%eth0", { compute: 1, storage: 1 }, 0)).id,
    "seed-fe80::1-eth0",
  )
})

test("a backend of the seed that announces again is replaced and not doubled", () => {
  const { registry } = made()
  const lease = value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 0))
  pass(registry, lease.id, 1)
  const again = value(registry.announce("10.0.0.7", { compute: 5, storage: 5 }, 2))
  assert.equal(again.state, "serving")
  assert.equal(registry.snapshot.members.length, 1)
  assert.deepEqual(member(registry, lease.id).capacity, { compute: 5, storage: 5 })
})

test("a backend of the seed leaves when its checks take it down", () => {
  const { registry } = made()
  const { id, generation } = value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 0))
  pass(registry, id, 1)
  fail(registry, id, 2)
  fail(registry, id, 3)
  assert.equal(registry.checked(id, generation, { passed: false }, 4), undefined)
  assert.deepEqual(registry.snapshot.members, [])
})

test("a backend of the seed that announces while its checks fail has restarted and gets a fresh grace", () => {
  const { registry } = made()
  const { id } = value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 0))
  pass(registry, id, 1)
  fail(registry, id, 2)
  fail(registry, id, 3)
  assert.equal(value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 4)).state, "probing")
  fail(registry, id, 5)
  assert.equal(registry.snapshot.members.length, 1)
  assert.equal(registry.expire(6), 60_004)
})

test("a backend of the seed that never listens is dropped after its grace", () => {
  const { registry } = made()
  value(registry.announce("10.0.0.7", { compute: 20, storage: 13 }, 0))
  assert.equal(registry.expire(59_999), 60_000)
  assert.equal(registry.expire(60_000), undefined)
  assert.deepEqual(registry.snapshot.members, [])
})

test("what leaves in order is not lost, whatever its checks said before; a member whose lease lapses is lost, until it comes back", () => {
  const { registry } = serving("leaves", "stops", "asked", "dies", "fails")
  for (const id of ["leaves", "fails"]) for (let i = 0; i < 3; i++) fail(registry, id, 1_000)
  assert.equal(member(registry, "leaves").state, "ejected")
  value(registry.remove("leaves"))
  value(registry.remove("stops"))
  value(registry.drain("asked", undefined, 1_000))
  value(registry.register(registration("new"), 1_000))
  // Both steps at once, as behind a short lease or a busy time: nothing has seen them suspect.
  registry.expire(20_000)
  assert.deepEqual(registry.lost(20_000), ["fails", "dies"])
  value(registry.register(registration("dies"), 21_000))
  assert.deepEqual(registry.lost(21_000), ["fails"])
})

test("a row goes back with the first snapshot that no longer names it", () => {
  const { registry, retired } = serving("a")
  const { slot } = member(registry, "a")
  value(registry.remove("a"))
  assert.deepEqual(retired, [{ slot, version: registry.snapshot.version }])
})

test("a full registry and an empty load table refuse newcomers but not those that are members", () => {
  for (const options of [{ backendsMax: 1 }, { slots: slotsOf(1).slots }]) {
    const { registry } = made(options)
    value(registry.register(registration("a"), 0))
    assert.equal(code(registry.register(registration("b"), 1)), "too_many_backends")
    value(registry.register(registration("a"), 2))
  }
})

test("a registration out of bounds is refused at its path and changes nothing", () => {
  const { registry } = made()
  const most = amountMax(resourcesDefault[0]!)
  const labels = Object.fromEntries(
    Array.from({ length: registrationLimits.labelsMax + 1 }, (_, i) => [`l${i}`, ""]),
  )
  const cases: [Partial<Registration>, string][] = [
    [{ address: { host: "10.0.0.1", port: 0 } }, "address"],
    [{ address: { host: "10.0.0.1", port: 65_536 } }, "address"],
    [{ capacity: { compute: 1 } }, "capacity.storage"],
    [{ capacity: { compute: 0, storage: 0 } }, "capacity"],
    [{ capacity: { compute: -1, storage: 1 } }, "capacity.compute"],
    [{ capacity: { compute: NaN, storage: 1 } }, "capacity.compute"],
    [{ capacity: { compute: Infinity, storage: 1 } }, "capacity.compute"],
    [{ capacity: { compute: most * 2, storage: 1 } }, "capacity.compute"],
    [{ capacity: { compute: 1, storage: 1, memory: 1 } }, "capacity.memory"],
    [{ weight: 0 }, "weight"],
    [{ weight: NaN }, "weight"],
    [{ weight: 1_001 }, "weight"],
    [{ ttlMs: 999 }, "ttlMs"],
    [{ ttlMs: 600_001 }, "ttlMs"],
    [{ incarnation: -1 }, "incarnation"],
    [{ incarnation: 2 ** 53 }, "incarnation"],
    [{ zone: "" }, "zone"],
    [{ version: "v".repeat(129) }, "version"],
    [{ labels }, "labels"],
    [{ labels: { ["n".repeat(65)]: "" } }, "labels"],
    [{ labels: { name: "v".repeat(257) } }, "labels.name"],
  ]
  for (const [change, path] of cases) {
    const error = refusal(registry.register({ ...registration("a"), ...change }, 0))
    assert.deepEqual([error.code, error.path], ["invalid_body", path], error.message)
  }
  for (const bad of ["", "a b", "é", "x".repeat(129)]) {
    assert.equal(code(registry.register(registration(bad), 0)), "invalid_id")
  }
  assert.equal(registry.snapshot.version, 0)
})

test("a report out of bounds is refused at its path and does not renew", () => {
  const { registry } = serving("a")
  const cases: [Parameters<Registry["renew"]>[1], string][] = [
    [{ utilization: { memory: 0.1 } }, "utilization.memory"],
    [{ utilization: { compute: -0.1 } }, "utilization.compute"],
    [{ utilization: { compute: NaN } }, "utilization.compute"],
    [{ utilization: { storage: 101 } }, "utilization.storage"],
    [{ capacity: { compute: -1 } }, "capacity.compute"],
    [{ capacity: { compute: 0, storage: 0 } }, "capacity"],
    [{ inFlight: 1.5 }, "inFlight"],
    [{ inFlight: -1 }, "inFlight"],
  ]
  for (const [report, path] of cases) {
    const error = refusal(registry.renew("a", report, 1_000))
    assert.deepEqual([error.code, error.path], ["invalid_body", path], error.message)
  }
  assert.equal(registry.details(id("a"), 1_000)?.expiresInMs, 9_000)
})

/** What the model below does to a registry. `stale` uses a generation that does not hold the lease. */
type Step =
  | {
      readonly do: "register"
      readonly id: string
      readonly incarnation: number | undefined
      readonly port: number
    }
  | { readonly do: "renew" | "drain" | "undrain" | "remove"; readonly id: string; readonly stale: boolean }
  | { readonly do: "check"; readonly id: string; readonly passed: boolean }
  | { readonly do: "announce"; readonly id: string }
  | { readonly do: "wait"; readonly ms: number }

test("whatever happens, in whatever order, the registry holds what it promises", () => {
  const anyId = fc.constantFrom("a", "b", "c", "seed-10.0.0.1")
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      do: fc.constant("register" as const),
      id: anyId,
      incarnation: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
      port: fc.integer({ min: 1, max: 2 }),
    }),
    fc.record({
      do: fc.constantFrom("renew" as const, "drain" as const, "undrain" as const, "remove" as const),
      id: anyId,
      stale: fc.boolean(),
    }),
    fc.record({ do: fc.constant("check" as const), id: anyId, passed: fc.boolean() }),
    fc.record({ do: fc.constant("announce" as const), id: anyId }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 8_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => run(steps)),
    { numRuns: 500 },
  )
})

function run(steps: readonly Step[]): void {
  const { slots } = slotsOf(3)
  const registry = new Registry({ resources: resourcesDefault, slots, firstGeneration: 1, backendsMax: 4 })
  const renewedAt = new Map<string, number>()
  const seen: { readonly snapshot: Snapshot; readonly text: string }[] = []
  let newest = 0
  let now = 0
  for (const step of steps) {
    const before = registry.snapshot
    const holder = "id" in step ? before.members.find(({ id }) => id === step.id) : undefined
    switch (step.do) {
      case "register":
      case "announce": {
        const result =
          step.do === "announce"
            ? registry.announce("10.0.0.1", { compute: 1, storage: 1 }, now)
            : registry.register(
                {
                  ...registration(step.id),
                  incarnation: step.incarnation,
                  address: { host: "10.0.0.1", port: step.port },
                },
                now,
              )
        if (!result.ok) {
          assert.ok(["stale_incarnation", "too_many_backends"].includes(result.error.code))
          break
        }
        const known = before.members.find(({ id }) => id === result.value.id)
        const { generation } = result.value
        assert.ok(generation > newest || generation === known?.generation, "generations grow")
        newest = Math.max(newest, generation)
        const after = member(registry, result.value.id)
        if (known !== undefined) assert.equal(after.slot, known.slot, "the row is kept")
        if (after.keptBy === "renewals") renewedAt.set(result.value.id, now)
        else renewedAt.delete(result.value.id)
        break
      }
      case "renew":
      case "drain":
      case "undrain":
      case "remove": {
        const generation = holder === undefined || step.stale ? 0 : holder.generation
        const result =
          step.do === "renew"
            ? registry.renew(step.id, { generation }, now)
            : step.do === "undrain"
              ? registry.undrain(step.id, generation)
              : registry[step.do](step.id, generation, now)
        if (holder === undefined) assert.equal(code(result), "unknown_backend")
        else if (step.stale) assert.equal(code(result), "stale_generation")
        else assert.ok(result.ok)
        if (!result.ok) assert.equal(registry.snapshot, before, "a refusal changes nothing")
        else if (step.do === "renew" && renewedAt.has(step.id)) renewedAt.set(step.id, now)
        break
      }
      case "check":
        if (holder !== undefined) {
          registry.checked(holder.id, holder.generation, { passed: step.passed, error: "refused" }, now)
        }
        break
      case "wait": {
        now += step.ms
        const due = registry.expire(now)
        assert.ok(due === undefined || due > now, "what is due now has been done")
        for (const { id, keptBy, state } of registry.snapshot.members) {
          if (keptBy === "ping-acks") continue
          const age = now - renewedAt.get(id)!
          assert.ok(age < 10_000, "no lapsed lease outlives expire")
          if (state === "serving") assert.ok(age < 5_000, "a late member does not serve")
        }
        for (const { id } of before.members) {
          const isFresh = renewedAt.has(id) && now - renewedAt.get(id)! < 10_000
          if (isFresh) assert.ok(registry.snapshot.members.some((member) => member.id === id))
        }
        break
      }
    }
    const { snapshot } = registry
    const { members, eligible, version } = snapshot
    assert.equal(new Set(ids(members)).size, members.length, "one member per id")
    assert.equal(new Set(members.map(({ slot }) => slot)).size, members.length, "one row per member")
    assert.ok(
      eligible.every((one) => members.includes(one) && ["serving", "suspect"].includes(one.state)),
      "an eligible member serves or is suspect",
    )
    assert.equal(
      eligible.length > 0,
      members.some(({ state }) => state === "serving" || state === "suspect"),
    )
    assert.ok(version >= before.version && version > before.version === (snapshot !== before))
    if (snapshot !== before) seen.push({ snapshot, text: JSON.stringify(snapshot) })
  }
  for (const { snapshot, text } of seen)
    assert.equal(JSON.stringify(snapshot), text, "snapshots stay as they were")
}

function made(options: Partial<RegistryOptions> = {}): {
  registry: Registry
  retired: { slot: number; version: number }[]
} {
  const { slots, retired } = slotsOf(100)
  const registry = new Registry({ resources: resourcesDefault, slots, firstGeneration: 100, ...options })
  return { registry, retired }
}

/** A registry whose members registered at 0 and have passed a check. */
function serving(...ids: string[]): ReturnType<typeof made> {
  const { registry, retired } = made()
  for (const id of ids) {
    value(registry.register(registration(id), 0))
    pass(registry, id, 0)
  }
  return { registry, retired }
}

/** Gives the lowest free row and takes rows back at once. */
function slotsOf(count: number): { slots: Slots; retired: { slot: number; version: number }[] } {
  const free = Array.from({ length: count }, (_, slot) => slot)
  const retired: { slot: number; version: number }[] = []
  const slots: Slots = {
    allocate: () => free.shift(),
    retire(slot, version) {
      assert.ok(!free.includes(slot), "a row is retired once")
      retired.push({ slot, version })
      free.push(slot)
    },
  }
  return { slots, retired }
}

function registration(id: string): Registration {
  return { id, address: { host: "10.0.0.1", port: 8_080 }, capacity: { compute: 20, storage: 13 } }
}

function member(registry: Registry, id: string): Member {
  const found = registry.snapshot.members.find((one) => one.id === id)
  assert.ok(found !== undefined, `${id} is a member`)
  return found
}

function pass(registry: Registry, name: string, now: number): void {
  registry.checked(id(name), member(registry, name).generation, { passed: true }, now)
}

function fail(registry: Registry, name: string, now: number): void {
  const outcome = { passed: false, error: "connection refused" }
  registry.checked(id(name), member(registry, name).generation, outcome, now)
}

function ids(members: readonly Member[]): string[] {
  return members.map((one) => one.id)
}

function id(text: string): BackendId {
  return text as BackendId
}

function value<T>(result: Result<T, RegistryError>): T {
  assert.ok(result.ok, result.ok ? "" : result.error.message)
  return result.value
}

function refusal(result: Result<unknown, RegistryError>): RegistryError {
  assert.ok(!result.ok, "it is refused")
  return result.error
}

function code(result: Result<unknown, RegistryError>): string {
  return refusal(result).code
}

test("backends that the configuration names stay while it names them, and serve while their checks pass", () => {
  const { registry } = made()
  const named = (...ids: string[]): void => {
    assert.deepEqual(
      registry.configure(
        ids.map((id) => registration(id)),
        0,
      ),
      [],
    )
  }
  const states = (): unknown[] => registry.snapshot.members.map(({ id, state }) => `${id} ${state}`)
  const check = (index: number, passed: boolean, times: number): void => {
    const { id, generation } = registry.snapshot.members[index]!
    for (let i = 0; i < times; i++) registry.checked(id, generation, { passed }, 0)
  }
  named("a", "b")
  check(0, true, 1)
  assert.equal(registry.expire(1e9), undefined)
  assert.deepEqual(states(), ["a serving", "b probing"])
  check(0, false, 3)
  assert.deepEqual(states(), ["a ejected", "b probing"])
  check(0, true, 2)
  const { version } = registry.snapshot
  named("a", "b")
  assert.equal(registry.snapshot.version, version, "what is named as before stays as it is")
  value(registry.register(registration("c"), 0))
  named("a")
  assert.deepEqual(states(), ["a serving", "c probing"], "what has announced itself stays too")
})

test("the configuration takes an id over from the backend that has announced itself, and gives it to none", () => {
  const { registry } = made()
  value(registry.register({ ...registration("a"), incarnation: 7 }, 0))
  assert.deepEqual(registry.configure([registration("a")], 1), [])
  assert.equal(registry.snapshot.members[0]!.keptBy, "configuration")
  assert.equal(code(registry.register({ ...registration("a"), incarnation: 8 }, 2)), "configured_backend")
  assert.equal(code(registry.remove("a")), "unknown_backend")
  value(registry.renew("a", { utilization: { compute: 0.5 } }, 2))
  assert.deepEqual(
    registry
      .configure([registration("b"), { ...registration("c"), capacity: {} }], 3)
      .map(({ code }) => code),
    ["invalid_body"],
  )
  assert.deepEqual(
    registry.snapshot.members.map(({ id }) => id),
    ["b"],
  )
})
