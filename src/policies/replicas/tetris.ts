import { BestFit, type Misfits } from "../shapes/best-fit.ts"
import type { Policy, PolicyContext, PolicyEntry } from "../policy.ts"
import { horizonSeconds, type Room } from "../shapes/room.ts"

/**
 * Tetris: the largest dot product of the demand and what is left, where the demand fits.
 *
 * Tetris compares many tasks for one machine that has room, and may measure by that machine. Turned round, to many
 * machines for one task, that would reward the misfit: a demand looks large where its resource is scarce. So both
 * vectors are measured by the fleet's totals. Large holes win over small ones of the same shape, so it also spreads
 * load; it has no notion of delay. A request that needs nothing suits all alike. See `Room` for what is left of
 * a rate, and `BestFit` for when nothing fits.
 *
 * @see Grandl, Ananthanarayanan, Kandula, Rao, Akella, "Multi-resource Packing for Cluster Schedulers", SIGCOMM 2014.
 */
export const tetris = {
  summary: "The largest dot product of what the request needs and what the backend has left.",
  make(context: PolicyContext): Policy {
    return new BestFit("tetris", context, misalignment)
  },
  parameters: { horizonSeconds },
  seesDemand: true,
} as const satisfies PolicyEntry

/** The negative dot product of every member. O(n·R). */
function misalignment(room: Room): Misfits {
  const { resources, totals } = room
  return (members, demand, values) => {
    for (let i = 0; i < members.length; i++) {
      if (Number.isNaN(values[i])) continue
      let alignment = 0
      for (let r = 0; r < resources; r++) {
        if (demand[r] === 0) continue
        const total = totals[r]!
        alignment += (demand[r]! / total) * (room.left(members[i]!, r) / total)
      }
      values[i] = -alignment
    }
  }
}
