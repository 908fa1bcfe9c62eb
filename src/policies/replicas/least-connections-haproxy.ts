// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { haproxyKey } from "../counts/load-metrics.ts"
import { carried, Places } from "../tools/places.ts"
import type { Outcome, PickRequest, Policy, PolicyEntry } from "../policy.ts"

/**
 * An idle member first, whatever it weighs; else the least (attempts in flight + 1) per weight; ties go to
 * the one with the count that has not changed for longest, as far as this thread knows.
 *
 * Apart from `least-connections` in two ways. Every idle backend, however small, is used before any busy one.
 * And the load compared is the one after the pick, so that a heavy backend with little to do wins over a
 * light one. O(n) per pick: the original keeps a tree in order of its key, which here other threads would
 * change unseen.
 *
 * Prior art: HAProxy's `leastconn`. There the key is rounded down to 1/256 of the load of one request per
 * weight; weights have no such scale here, so it is not rounded.
 */
export class LeastConnectionsHaproxy implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary: "An idle backend first, else the fewest attempts in flight per weight, as HAProxy counts them.",
    make: () => new LeastConnectionsHaproxy(),
    seesDemand: false,
    ignoresTimes: true,
  } as const satisfies PolicyEntry

  readonly name = "least-connections-haproxy"
  readonly #places = new Places()
  #members: readonly Backend[] = []
  /** By place: when its count changed, as a number that grows. Each change puts it behind its equals. */
  #changed = new Float64Array(0)
  #changes = 0

  rebuild(members: readonly Backend[]): void {
    const before = this.#places.rebuild(members)
    this.#members = members
    this.#changed = carried(this.#changed, before, this.#changes)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const changed = this.#changed
    let best = -1
    let least = Infinity
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) continue
      const key = haproxyKey(backend, request)
      if (key < least || (key === least && changed[i]! < changed[best]!)) {
        best = i
        least = key
      }
    }
    if (best === -1) return undefined
    changed[best] = ++this.#changes
    return members[best]
  }

  onSettled(backend: Backend, _outcome: Outcome): void {
    const place = this.#places.of(backend)
    if (place >= 0) this.#changed[place] = ++this.#changes
  }
}
