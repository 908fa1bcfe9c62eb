// A placer without sockets: sites that are plain objects, and requests of which a test says what comes.
import type { Millis } from "../../src/core/clock.ts"
import type { ResourceTable } from "../../src/core/resources.ts"
import type { Member } from "../../src/membership/snapshot.ts"
import type { Choosing } from "../../src/placing/choosing.ts"
import type { Demand } from "../../src/placing/demand.ts"
import type { Group } from "../../src/placing/group.ts"
import { LoadTable } from "../../src/placing/load-table.ts"
import type { Placed, PlacedBackend, Site, Sites } from "../../src/placing/placed-backend.ts"
import { type GivenUp, type Owner, Placement } from "../../src/placing/placement.ts"
import { Placer, type PlacerOptions, type PlaceVerdict } from "../../src/placing/placer.ts"
import type { Policy } from "../../src/policies/policy.ts"
import { resourcesOf } from "./backends.ts"
import { memberAt } from "./members.ts"

export class FakeSite implements Site {
  hasRoom = true
  readonly told: string[] = []

  closeIdle(): void {
    this.told.push("closeIdle")
  }

  retire(): void {
    this.told.push("retire")
  }
}

/** A site for each process; what is to happen when none has room is the test's to say. */
export class FakeSites implements Sites<FakeSite> {
  makeRoom = (): boolean => false

  siteOf(member: Member, before: Placed<FakeSite> | undefined): FakeSite {
    return before?.member.generation === member.generation ? before.backend.site : new FakeSite()
  }
}

/** A request: places itself in its turn, and writes down what becomes of it. */
export class FakeRequest implements Owner<FakeSite> {
  readonly clientKey: string
  readonly placement: Placement<FakeSite>
  preferred: PlacedBackend<FakeSite> | undefined
  givenUp: GivenUp | undefined
  turns = 0
  verdict: PlaceVerdict | undefined
  /** Instead of placing itself. */
  onTurn: (() => boolean) | undefined
  readonly #world: PlacingWorld
  readonly #demand: Demand
  readonly #route: number

  constructor(world: PlacingWorld, amounts: readonly number[], route: number, clientKey: string) {
    this.clientKey = clientKey
    this.#world = world
    this.#demand = world.placer.demandOf(Float64Array.from(amounts))
    this.#route = route
    this.placement = new Placement(this, world.group, this.#demand)
    this.begin()
  }

  /** Its next request, which needs the same. */
  begin(): void {
    this.placement.begin(this.#route, this.#world.group, this.#demand)
  }

  get on(): string | undefined {
    return this.placement.runs ? this.placement.backend!.id : undefined
  }

  arrive(now: Millis = 0): PlaceVerdict {
    return (this.verdict = this.#world.placer.arrive(this.placement, now))
  }

  place(now: Millis = 0): PlaceVerdict {
    return (this.verdict = this.#world.placer.place(this.placement, now))
  }

  stick(choosing: Choosing<FakeSite>): void {
    choosing.preferred = this.preferred
  }

  retryQueued(): boolean {
    this.turns++
    return this.onTurn === undefined ? this.place() !== "waits" : this.onTurn()
  }

  giveUpQueued(code: GivenUp): void {
    this.givenUp = code
  }
}

export interface PlacingWorld {
  readonly placer: Placer<FakeSite>
  readonly group: Group<FakeSite>
  readonly resources: ResourceTable
  readonly table: LoadTable
  readonly sites: FakeSites
  /** A request that needs so much, 1 of each unless told. */
  readonly request: (demand?: readonly number[], route?: number, clientKey?: string) => FakeRequest
  /** Takes these members, of which the serving ones are eligible. */
  readonly apply: (members: readonly Member[], now?: Millis) => void
}

/** Members of these capacities, `b0`, `b1`, … */
export function membersOf(...capacities: readonly (readonly number[])[]): Member[] {
  return capacities.map((capacity, slot) =>
    memberAt(
      slot,
      { host: "10.0.0.1", port: slot + 1 },
      Object.fromEntries(capacity.map((amount, r) => [`r${r}`, amount])),
    ),
  )
}

/** One group of all backends, of spaces unless told. Nothing has joined yet. */
export function placingWorld(
  policy: Policy,
  more: Partial<PlacerOptions<FakeSite>> = {},
  limits: Partial<PlacerOptions<FakeSite>["limits"]> = {},
): PlacingWorld {
  const resources = more.resources ?? resourcesOf("space")
  const table = more.table ?? LoadTable.create(resources, 16, 2)
  const sites = new FakeSites()
  const placer = new Placer<FakeSite>({
    resources,
    table,
    worker: 0,
    sites,
    observer: undefined,
    limits: { attemptsMax: 3, queueMax: 10, ...limits },
    waitsUntil: (now) => now + 1_000,
    firstUntil: -Infinity,
    onSettled: () => {},
    ...more,
  })
  const group = placer.makeGroup("", { match: undefined, policy, isExact: true })
  placer.regroup([group])
  let version = 0
  const world: PlacingWorld = {
    placer,
    group,
    resources,
    table,
    sites,
    request: (demand = resources.map(() => 1), route = 0, clientKey = "") =>
      new FakeRequest(world, demand, route, clientKey),
    apply(members, now = 0) {
      const eligible = members.filter(({ state }) => state === "serving")
      placer.apply({ version: ++version, members, eligible }, now)
    },
  }
  return world
}
