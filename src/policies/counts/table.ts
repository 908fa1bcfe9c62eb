/** Policies that compare attempts in flight, and nothing of what those need. */
import { JoinIdleQueue } from "./join-idle-queue.ts"
import { LeastInTurns } from "./least-in-turns.ts"
import { LeastRequest, leastRequestParameters } from "./least-request.ts"
import { inFlight } from "./load-metrics.ts"
import type { PolicyEntry } from "../policy.ts"
import { PowerOfTwoChoices } from "./power-of-two.ts"
import { RandomTwoWeighted } from "./random-two-weighted.ts"

export const counts = {
  "least-connections": {
    summary: "The fewest attempts in flight per weight; weighted turns among the tied.",
    make: () => new LeastInTurns("least-connections", inFlight),
    seesDemand: false,
  },
  "least-request": {
    summary: "Envoy's: the less busy of two drawn at random; turns by weight and load when weights differ.",
    make: ({ rng, parameters }) => new LeastRequest(rng, parameters["choices"]!, parameters["bias"]!),
    parameters: leastRequestParameters,
    seesDemand: false,
  },
  "power-of-two": {
    summary: "Of two backends drawn at random the one with fewer attempts in flight per weight.",
    make: ({ rng }) => new PowerOfTwoChoices("power-of-two", rng, inFlight),
    seesDemand: false,
  },
  "random-two-weighted": {
    summary: "nginx's: of two backends drawn by weight the one with fewer attempts in flight per weight.",
    make: ({ rng }) => new RandomTwoWeighted(rng),
    seesDemand: false,
  },
  "join-idle-queue": {
    summary: "The backend that has been idle for longest, or any at random while none is idle.",
    make: ({ rng }) => new JoinIdleQueue(rng),
    seesDemand: false,
    ignoresTimes: true,
  },
} as const satisfies Record<string, PolicyEntry>
