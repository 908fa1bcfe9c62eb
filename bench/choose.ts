/**
 * What one choice costs, in nanoseconds: `npm run bench:choose`.
 *
 * First every policy of the table at several sizes of fleet, with a mix of eight routes where it learns; then a
 * price loop with its vectors laid out in three ways (docs/decisions/0003-vectors-by-index.md). Loads are read as in production, through accessors over
 * one Int32Array on a SharedArrayBuffer. They stand still while a choice is timed; what varies is the demand.
 */
import { once } from "node:events"
import { cpus } from "node:os"
import { performance } from "node:perf_hooks"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { parseBackendId, type Backend, type BackendLoad } from "../src/core/backend.ts"
import { type Knowledge, nothingKnown } from "../src/core/knowledge.ts"
import { resourcesDefault, type ResourceTable, type ResourceVector } from "../src/core/resources.ts"
import { seeded, type Rng } from "../src/core/rng.ts"
import { LeastLoaded } from "../src/policies/counts/least-loaded.ts"
import { MixPlanner } from "../src/learning/planner/mix-planner.ts"
import { isPolicyName, makePolicy, plainPolicy, policies } from "../src/policies/index.ts"
import type { LoadMetric, PickRequest, Policy } from "../src/policies/policy.ts"

const sizes = [3, 10, 100, 1_000, 10_000]
const routes = 8
const requestsKept = 256
const warmUpMs = 100
const roundMs = 30
const rounds = 9

const resources = resourcesDefault

/** One row of a load table: attempts in flight, then the reserved units of each resource. */
class SharedLoad implements BackendLoad {
  readonly #table: Int32Array
  readonly #row: number
  readonly #resolutions: Float64Array

  constructor(table: Int32Array, row: number, resolutions: Float64Array) {
    this.#table = table
    this.#row = row
    this.#resolutions = resolutions
  }

  get inFlight(): number {
    return this.#table[this.#row]!
  }

  reserved(resource: number): number {
    return this.#table[this.#row + 1 + resource]! * this.#resolutions[resource]!
  }
}

/** A request that has been refused by one backend already, as a first retry has. */
class BenchRequest implements PickRequest {
  readonly now = 0
  readonly demand: Readonly<ResourceVector>
  readonly route: number
  readonly affinityHash: number
  readonly clientAddress: Uint8Array = Uint8Array.of(10, 0, 0, 7)
  readonly boundTo = undefined
  readonly #tried: Backend | undefined

  constructor(
    demand: Readonly<ResourceVector>,
    route: number,
    affinityHash: number,
    tried: Backend | undefined,
  ) {
    this.demand = demand
    this.route = route
    this.affinityHash = affinityHash
    this.#tried = tried
  }

  admits(backend: Backend): boolean {
    return backend !== this.#tried
  }
}

interface Fleet {
  readonly members: readonly Backend[]
  readonly requests: readonly PickRequest[]
}

function fleetOf(count: number, table: ResourceTable, rng: Rng): Fleet {
  const width = 1 + table.length
  const loads = new Int32Array(new SharedArrayBuffer(count * width * Int32Array.BYTES_PER_ELEMENT))
  const resolutions = Float64Array.from(table, (resource) => resource.resolution)
  const members = Array.from({ length: count }, (_, index): Backend => {
    loads[index * width] = rng.below(20)
    for (const [r, { resolution }] of table.entries()) {
      loads[index * width + 1 + r] = rng.below(100) / resolution
    }
    return {
      id: parseBackendId(`backend-${index}`)!,
      capacity: Float64Array.from(table, () => 1 + rng.below(40)),
      weight: 1 + rng.below(4),
      zone: undefined,
      tier: 0,
      eligibleSince: -Infinity,
      address: `10.0.0.${index}:80`,
      load: new SharedLoad(loads, index * width, resolutions),
    }
  })
  const requests = Array.from({ length: requestsKept }, () => {
    const demand = Float64Array.from(table, () => 1 + rng.below(10))
    return new BenchRequest(demand, rng.below(routes), rng.below(2 ** 32), members[rng.below(count)])
  })
  return { members, requests }
}

/** What a balancer has learned of routes of different demand, with a mix over the whole fleet. */
function knowledgeOf({ members }: Fleet, table: ResourceTable, rng: Rng): Knowledge {
  const known = Array.from({ length: routes }, (_, route) => ({
    name: `route ${route}`,
    mean: Float64Array.from(table, () => 1 + rng.below(10)),
    rate: 1 + rng.below(100),
    isLearned: true,
  }))
  return { ...nothingKnown, routes: known, mix: new MixPlanner(table).plan(members, known) }
}

/** The median over the rounds, in nanoseconds per pick. */
function nanosPerPick(policy: Policy, fleet: Fleet): number {
  const { members, requests } = fleet
  policy.rebuild(members)
  policy.learn?.(knowledgeOf(fleet, resources, seeded(2)))
  let picks = 1
  for (let spent = 0; spent < warmUpMs; picks *= 2) spent = timed(policy, requests, picks)
  const perRound = Math.max(1, Math.round((picks / 2) * (roundMs / warmUpMs)))
  const nanos = Array.from({ length: rounds }, () => (timed(policy, requests, perRound) * 1e6) / perRound)
  return nanos.sort((a, b) => a - b)[rounds >> 1]!
}

/** Every pick is used, or the compiler might leave it out. */
let undecided = 0

function timed(policy: Policy, requests: readonly PickRequest[], picks: number): number {
  const start = performance.now()
  for (let i = 0; i < picks; i++) {
    if (policy.pick(requests[i & (requestsKept - 1)]!) === undefined) undecided++
  }
  return performance.now() - start
}

/** Made from the table: one expression, no loop, an amount read as the layout says. */
function unrolledPrice(
  table: ResourceTable,
  amountOf: (vector: string, index: number) => string,
): LoadMetric {
  const terms = table.map((_, r) => {
    const demand = amountOf("request.demand", r)
    return `${demand} * ((${amountOf("backend.load", r)} + ${demand} / 2) / ${amountOf("backend.capacity", r)})`
  })
  return compiled(`return (backend, request) => ${terms.join(" + ")}`) as LoadMetric
}

/** A class whose fields are the resources by name: the shape made once from the table. */
function vectorClass(table: ResourceTable): new (amounts: Readonly<ResourceVector>) => object {
  const fields = table.map((resource, r) => `this.${resource.name} = amounts[${r}]`)
  return compiled(`return class { constructor(amounts) { ${fields.join("; ")} } }`) as never
}

/** An accessor with a getter for each resource by name, which read what `SharedLoad` reads. */
function loadClass(table: ResourceTable): new (loads: Int32Array, row: number) => object {
  const getters = table.map(
    ({ name, resolution }, r) => `get ${name}() { return this.#loads[this.#row + ${1 + r}] * ${resolution} }`,
  )
  const body = `#loads; #row; constructor(loads, row) { this.#loads = loads; this.#row = row }`
  return compiled(`return class { ${body} ${getters.join(" ")} }`) as never
}

function compiled(source: string): unknown {
  // The measurement is of exactly this: code made from the operator's table.
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function(source)() as unknown
}

/** The same fleet with named fields where it had vectors by index. */
function named({ members, requests }: Fleet, table: ResourceTable): Fleet {
  const Vector = vectorClass(table)
  const Load = loadClass(table)
  const width = 1 + table.length
  const loads = new Int32Array(new SharedArrayBuffer(members.length * width * Int32Array.BYTES_PER_ELEMENT))
  const renamed = members.map(({ id, weight, capacity, load }, index) => {
    for (const [r, { resolution }] of table.entries()) {
      loads[index * width + 1 + r] = load.reserved(r) / resolution
    }
    return { id, weight, capacity: new Vector(capacity), load: new Load(loads, index * width) }
  }) as unknown as Backend[]
  const same = requests.map((request) => {
    const tried = renamed[members.findIndex((member) => !request.admits(member))]
    return new BenchRequest(new Vector(request.demand) as ResourceVector, 0, 0, tried)
  })
  return { members: renamed, requests: same }
}

/** A loop over the resources, as a policy would write it. */
function loopedPrice(table: ResourceTable): LoadMetric {
  const count = table.length
  return ({ capacity, load }, { demand }) => {
    let price = 0
    for (let r = 0; r < count; r++) {
      const amount = demand[r]!
      if (amount === 0) continue
      price += (amount * (load.reserved(r) + amount / 2)) / capacity[r]!
    }
    return price
  }
}

/** The layouts compared. The second tells unrolling from naming. */
const layouts = {
  "price, by index": (): LoadMetric => loopedPrice(resources),
  "price, by index, unrolled": (): LoadMetric =>
    unrolledPrice(resources, (of, r) => (of.endsWith("load") ? `${of}.reserved(${r})` : `${of}[${r}]`)),
  "price, by name, unrolled": (): LoadMetric =>
    unrolledPrice(resources, (of, r) => `${of}.${resources[r]!.name}`),
} as const

type LayoutName = keyof typeof layouts

function nanosOf(subject: string): number[] {
  return sizes.map((size) => {
    const fleet = fleetOf(size, resources, seeded(size))
    const rng = seeded(1)
    if (isPolicyName(subject))
      return nanosPerPick(makePolicy(plainPolicy(subject), { rng, resources }), fleet)
    const policy = new LeastLoaded(subject, rng, layouts[subject as LayoutName]())
    return nanosPerPick(policy, subject.includes("by name") ? named(fleet, resources) : fleet)
  })
}

/** A thread for each subject, one after the other: what one teaches the compiler must not slow the next. */
async function inOwnThread(subject: string): Promise<number[]> {
  const worker = new Worker(new URL(import.meta.url), { workerData: subject })
  const [nanos] = (await once(worker, "message")) as [number[]]
  return nanos
}

async function printTable(title: string, subjects: readonly string[]): Promise<void> {
  const widest = Math.max(...subjects.map((subject) => subject.length))
  console.log(`\n${title.padEnd(widest)}${sizes.map((size) => String(size).padStart(9)).join("")}`)
  for (const subject of subjects) {
    const nanos = await inOwnThread(subject)
    console.log(`${subject.padEnd(widest)}${nanos.map((one) => one.toFixed(1).padStart(9)).join("")}`)
  }
}

if (isMainThread) {
  console.log(`ns per pick, median of ${rounds} rounds; Node ${process.version}, ${cpus()[0]?.model ?? ""}`)
  await printTable("policy \\ backends", Object.keys(policies))
  await printTable("layout \\ backends", Object.keys(layouts))
} else {
  parentPort?.postMessage(nanosOf(workerData as string))
}
