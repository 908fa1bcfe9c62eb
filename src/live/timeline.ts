/** What happens to the backends of a scenario, and when: its joins, leaves and faults as things to do to processes. */
import type { Disturbance as Told } from "./demonstration-backend.ts"
import type { Millis } from "../core/clock.ts"
import type { NamedAmounts } from "../core/resources.ts"
import { backendsOf, checkFaults, type FleetBackend } from "../sim/engine/fleet.ts"
import type { Scenario } from "../sim/scenario/scenario.ts"
import { type BackendState, stateAtStart, turnsOf } from "../sim/turns.ts"

/** `start`: it joins, or comes back; `retire`: it drains and ends; `kill`: as a power failure; `freeze`: until `thaw`. */
export type Deed =
  | { readonly kind: "start" | "retire" | "kill" | "freeze" | "thaw" }
  | { readonly kind: "tell"; readonly condition: Told }

export interface Cue {
  /** Real milliseconds from the start. */
  readonly atMs: Millis
  readonly backend: string
  readonly deed: Deed
}

export interface Timeline {
  /** The backends that are there at the start. */
  readonly present: readonly string[]
  /** In order of time; a backend that comes back is told how it is behind its start. */
  readonly cues: readonly Cue[]
}

/**
 * The timeline of a run of this length (ms of the scenario's time) at this speed. Flapping backends are down for the first half of each
 * period, as in the simulator. At equal times changes come in the order of the scenario, and only what differs from
 * before becomes a cue.
 *
 * @throws RangeError as `checkFaults`.
 */
export function timelineOf(scenario: Scenario, lengthMs: Millis, speed: number): Timeline {
  const backends = backendsOf(scenario)
  checkFaults(scenario, backends)
  const present: string[] = []
  const cues: Cue[] = []
  for (const backend of backends) {
    const state = stateAtStart(backend, scenario.resources)
    if (state.isThere) present.push(backend.name)
    let before = standingOf(scenario, backend, state)
    for (const { atMs, change } of turnsOf(backend, scenario.faults, lengthMs)) {
      change(state)
      const after = standingOf(scenario, backend, state)
      for (const deed of deedsOf(before, after, state.isLeaving)) {
        cues.push({ atMs: atMs / speed, backend: backend.name, deed })
      }
      before = after
    }
  }
  return { present, cues: cues.toSorted((a, b) => a.atMs - b.atMs) }
}

/** What a process has to be like. */
interface ProcessState {
  readonly runs: boolean
  readonly isFrozen: boolean
  readonly told: Required<Told>
}

function standingOf(scenario: Scenario, { group }: FleetBackend, state: BackendState): ProcessState {
  const { isDown, speed, taken, failing, lie, isStale } = state.condition
  const has = (name: string): boolean => Object.hasOwn(group.actual ?? group.capacity, name)
  const named = scenario.resources.map(({ name }) => name).filter(has)
  const speeds: NamedAmounts = Object.fromEntries(named.map((name) => [name, speed === 0 ? 1 : speed]))
  const parts: NamedAmounts = Object.fromEntries(
    scenario.resources.flatMap(({ name }, r) => (has(name) ? [[name, taken[r]!] as const] : [])),
  )
  return {
    runs: state.isThere && !isDown,
    isFrozen: speed === 0,
    told: { speeds, taken: parts, failing, reportFactor: lie, reportsFrozen: isStale },
  }
}

function deedsOf(before: ProcessState, after: ProcessState, isLeaving: boolean): Deed[] {
  const deeds: Deed[] = []
  const toldBefore = JSON.stringify(before.told)
  const told = JSON.stringify(after.told)
  if (before.runs && !after.runs) {
    // A frozen backend notices nothing, not even its end.
    return before.isFrozen && isLeaving
      ? [{ kind: "thaw" }, { kind: "retire" }]
      : [{ kind: isLeaving ? "retire" : "kill" }]
  }
  if (!after.runs) return []
  const isNew = !before.runs
  if (isNew) deeds.push({ kind: "start" })
  if (before.isFrozen && !after.isFrozen && !isNew) deeds.push({ kind: "thaw" })
  if (isNew ? told !== unharmed(after.told) : told !== toldBefore) {
    deeds.push({ kind: "tell", condition: after.told })
  }
  if (after.isFrozen && (isNew || !before.isFrozen)) deeds.push({ kind: "freeze" })
  return deeds
}

/** How the same backend is when nothing is wrong. */
function unharmed({ speeds, taken }: Required<Told>): string {
  const well: Required<Told> = {
    speeds: filled(speeds, 1),
    taken: filled(taken, 0),
    failing: 0,
    reportFactor: 1,
    reportsFrozen: false,
  }
  return JSON.stringify(well)
}

function filled(amounts: NamedAmounts, value: number): NamedAmounts {
  return Object.fromEntries(Object.keys(amounts).map((name) => [name, value]))
}
