// Tasks of several users packed into servers until nothing fits, as the papers on fair shares do it.
import type { Policy } from "../../../src/policies/policy.ts"
import { ofCapacity, request } from "../backends.ts"

/** The example of the DRFH papers: two servers, each with much of what the other has little of, and two users alike. */
export const mirrored = {
  servers: [
    [2, 12],
    [12, 2],
  ],
  users: [
    [0.2, 1],
    [1, 0.2],
  ],
} as const

/**
 * Tasks placed, one row a user, one column a server. The user with the least global dominant share goes next, the
 * earlier one on ties; the policy chooses among the servers where the task fits; a user whose task fits nowhere is done.
 */
export function packed(
  policy: Policy,
  servers: readonly (readonly number[])[],
  users: readonly (readonly number[])[],
): number[][] {
  const members = ofCapacity(...servers)
  policy.rebuild(members)
  const totals = servers[0]!.map((_, r) => servers.reduce((sum, server) => sum + server[r]!, 0))
  const dominant = users.map((demand) => Math.max(...demand.map((amount, r) => amount / totals[r]!)))
  const tasks = users.map(() => servers.map(() => 0))
  const placed = (user: number): number => tasks[user]!.reduce((sum, count) => sum + count, 0)
  const waiting = new Set(users.keys())
  while (waiting.size > 0) {
    const shares = [...waiting].map((user) => placed(user) * dominant[user]!)
    const user = [...waiting][shares.indexOf(Math.min(...shares))]!
    const demand = users[user]!
    const asked = request(demand, ({ capacity, load }) =>
      demand.every((amount, r) => load.reserved(r) + amount <= capacity[r]!),
    )
    const server = members.indexOf(policy.pick(asked) as (typeof members)[number])
    if (server === -1) waiting.delete(user)
    else {
      members[server]!.load.hold(Float64Array.from(demand))
      tasks[user]![server]!++
    }
  }
  return tasks
}
