/** Policies that compare attempts in flight, and nothing of what those need. */
import { JoinIdleQueue } from "./join-idle-queue.ts"
import { LeastRequest } from "./least-request.ts"
import { RandomTwoWeighted } from "./random-two-weighted.ts"
import { leastConnections } from "./least-connections.ts"
import { powerOfTwo } from "./power-of-two.ts"
import type { PolicyEntry } from "../policy.ts"

export const counts = {
  "least-connections": leastConnections,
  "least-request": LeastRequest.entry,
  "power-of-two": powerOfTwo,
  "random-two-weighted": RandomTwoWeighted.entry,
  "join-idle-queue": JoinIdleQueue.entry,
} as const satisfies Record<string, PolicyEntry>
