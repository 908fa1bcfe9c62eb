// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { mix32, type Rng } from "../../core/rng.ts"
import { LoadBound } from "./load-bound.ts"
import type { PickRequest, Policy } from "../policy.ts"
import { keyOf } from "./request-key.ts"

/** Which member owns which key: a list of owners, and where in it a key begins to look. */
export interface KeyTable {
  /** Places in the list of members, in an order that is as good as drawn. */
  readonly owners: Int32Array
  /** An index of `owners`, for an int32. */
  at(key: number): number
}

/** After so many refused owners the members are looked at one by one. */
const walkMax = 64
/** After so many jumps the members are looked at one by one. */
const jumpsMax = 16

/**
 * Sends the same key to the same backend by a table that is built from the members.
 *
 * A backend that is not admitted loses the request to the next owner in the table, so a key goes where it would go if
 * that backend had left, and the keys of one backend are spread over all others. After 64 refused owners it is the
 * next admitted member in order of registration. A request without a key is given one at random, so the shares are the
 * same. O(1) per pick besides the look into the table; O(n) when most are refused.
 *
 * With bounded loads, a key with an owner at its bound jumps to where another hash of it leads, until an owner has
 * room; so no neighbour in the table inherits all that is too much for one. After 16 jumps it is the next
 * admitted member that has room, and when no admitted one has, the bound gives way. O(n) per pick, to add up what
 * is in flight.
 *
 * @see Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", arXiv 1608.01350, 2016; Chen, Coleman
 * and Shrivastava, "Revisiting Consistent Hashing with Bounded Loads" (the jumps), arXiv 1908.08762, 2019. Prior art:
 * HAProxy and Envoy.
 */
export class KeyTablePolicy implements Policy {
  readonly name: string
  readonly #rng: Rng
  readonly #build: (members: readonly Backend[]) => KeyTable
  readonly #bound: LoadBound | undefined
  #members: readonly Backend[] = []
  #table: KeyTable = emptyTable

  /**
   * @param balanceFactor per cent of its fair part that a backend may carry, ≥ 100; 0 is no bound.
   * @param build is never called without members.
   */
  constructor(
    name: string,
    rng: Rng,
    balanceFactor: number,
    build: (members: readonly Backend[]) => KeyTable,
  ) {
    this.name = name
    this.#rng = rng
    this.#build = build
    this.#bound = balanceFactor === 0 ? undefined : new LoadBound(balanceFactor)
  }

  /** Cold. Builds only when a member has come, gone, moved or changed weight: capacities are corrected often. */
  rebuild(members: readonly Backend[]): void {
    if (!areAlike(this.#members, members)) {
      this.#table = members.length === 0 ? emptyTable : this.#build(members)
    }
    this.#members = members
    this.#bound?.rebuild(members)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    if (members.length === 0) return undefined
    const key = keyOf(request, this.#rng)
    const owner = this.#ownerOf(key, request)
    if (owner === -1) return undefined
    const bound = this.#bound
    return members[bound === undefined ? owner : this.#withRoom(owner, key, bound, request)]
  }

  /** The first admitted owner of a key; −1 when none is admitted. */
  #ownerOf(key: number, request: PickRequest): number {
    const members = this.#members
    const owners = this.#table.owners
    let at = this.#table.at(key)
    let owner = 0
    for (let step = 0; step < walkMax; step++) {
      owner = owners[at]!
      if (request.admits(members[owner]!)) return owner
      at = at + 1 === owners.length ? 0 : at + 1
    }
    for (let step = 0; step < members.length; step++) {
      owner = owner + 1 === members.length ? 0 : owner + 1
      if (request.admits(members[owner]!)) return owner
    }
    return -1
  }

  #withRoom(owner: number, key: number, bound: LoadBound, request: PickRequest): number {
    const members = this.#members
    bound.begin()
    let other = owner
    for (let jump = 0; jump < jumpsMax; jump++) {
      if (bound.hasRoom(other)) return other
      key = mix32(key + 0x9e3779b9) | 0
      other = this.#ownerOf(key, request)
    }
    for (let step = 0; step < members.length; step++) {
      if (bound.hasRoom(other) && request.admits(members[other]!)) return other
      other = other + 1 === members.length ? 0 : other + 1
    }
    return owner
  }
}

/** Whether they have the same table: by id, address and weight, in the same order. */
function areAlike(some: readonly Backend[], others: readonly Backend[]): boolean {
  if (some.length !== others.length) return false
  return some.every(({ id, address, weight }, i) => {
    const other = others[i]!
    return id === other.id && address === other.address && weight === other.weight
  })
}

const emptyTable: KeyTable = { owners: new Int32Array(0), at: () => 0 }
