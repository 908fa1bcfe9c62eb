/** When the backends of a scenario change: joins, leaves and faults, as steps in time. */
import type { Millis } from "../core/clock.ts"
import type { ResourceTable } from "../core/resources.ts"
import { Condition, type FleetBackend } from "./engine/fleet.ts"
import type { Fault } from "./scenario/scenario.ts"

/** How one backend is at some moment. */
export interface BackendState {
  isThere: boolean
  isLeaving: boolean
  readonly condition: Condition
}

/** When a fault begins or ends, or a backend joins or leaves, in the scenario's time. */
export interface Turn {
  readonly atMs: Millis
  readonly change: (state: BackendState) => void
}

/** As it is before all turns: there unless it joins later, and nothing wrong. */
export function stateAtStart({ group }: FleetBackend, resources: ResourceTable): BackendState {
  return { isThere: group.joinsAtMs <= 0, isLeaving: false, condition: new Condition(resources) }
}

/**
 * What happens to this backend before `lengthMs`, in order of time; at equal times in the order of the scenario. Flapping
 * ones are down for the first half of each period, as in the engine.
 */
export function turnsOf({ group, name }: FleetBackend, faults: readonly Fault[], lengthMs: Millis): Turn[] {
  const turns: Turn[] = []
  const { joinsAtMs, leavesAtMs } = group
  if (joinsAtMs > 0) turns.push({ atMs: joinsAtMs, change: (state) => (state.isThere = true) })
  for (const fault of faults) {
    if (fault.backend !== name) continue
    const { atMs, forMs = Infinity } = fault
    const begin = (state: BackendState): void => state.condition.begin(fault)
    const end = (state: BackendState): void => state.condition.end(fault)
    const endsAt = atMs + forMs
    if (fault.kind === "flapping") {
      for (let at = atMs; at < Math.min(endsAt, lengthMs); at += fault.everyMs) {
        turns.push(
          { atMs: at, change: begin },
          { atMs: Math.min(at + fault.everyMs / 2, endsAt), change: end },
        )
      }
    } else {
      turns.push({ atMs, change: begin })
      if (endsAt < Infinity) turns.push({ atMs: endsAt, change: end })
    }
  }
  if (leavesAtMs !== undefined) {
    const leave = (state: BackendState): void => {
      state.isThere = false
      state.isLeaving = true
    }
    turns.push({ atMs: leavesAtMs, change: leave })
  }
  return turns.filter(({ atMs }) => atMs < lengthMs).toSorted((a, b) => a.atMs - b.atMs)
}
