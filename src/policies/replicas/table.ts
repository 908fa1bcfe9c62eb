/**
 * The rules of other programs and papers, as they are there: to compare with, in the simulator and in measurements.
 * For use in production another family has a policy for the purpose of each.
 */
import { LeastConnectionsHaproxy } from "./least-connections-haproxy.ts"
import { PowerOfTwoCaddy } from "./power-of-two-caddy.ts"
import { PowerOfTwoTraefik } from "./power-of-two-traefik.ts"
import { SeedRatio, seedRatioUnsuitable } from "./seed-ratio.ts"
import { balancedAllocation } from "./balanced-allocation.ts"
import { drfhBestFit } from "./drfh-best-fit.ts"
import { leastTimeTraefik } from "./least-time-traefik.ts"
import { tetris } from "./tetris.ts"
import { horizonSeconds } from "../shapes/room.ts"
import type { PolicyEntry } from "../policy.ts"

export const replicas = {
  "least-connections-haproxy": {
    summary: "An idle backend first, else the fewest attempts in flight per weight, as HAProxy counts them.",
    make: () => new LeastConnectionsHaproxy(),
    seesDemand: false,
    ignoresTimes: true,
  },
  "power-of-two-caddy": {
    summary: "As Caddy long drew and compared two backends: the busier one often wins.",
    make: ({ rng }) => new PowerOfTwoCaddy(rng),
    seesDemand: false,
  },
  "power-of-two-traefik": {
    summary: "As Traefik draws two backends: neighbours in the order of registration meet more often.",
    make: ({ rng }) => new PowerOfTwoTraefik(rng),
    seesDemand: false,
  },
  "least-time-traefik": {
    summary: "Traefik's: the least mean of the last 100 times to first byte, times attempts in flight.",
    make: leastTimeTraefik,
    seesDemand: false,
  },
  "drfh-best-fit": {
    summary: "The backend whose room has the shape of the request, as in Best-Fit DRFH.",
    make: drfhBestFit,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  tetris: {
    summary: "The largest dot product of what the request needs and what the backend has left.",
    make: tetris,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "balanced-allocation": {
    summary: "The backend whose resources would be used most evenly, as in Kubernetes.",
    make: balancedAllocation,
    parameters: { horizonSeconds },
    seesDemand: true,
  },
  "seed-ratio": {
    summary:
      "The first backend whose compute to storage ratio is within 20 % of the request's, else the nearest.",
    make: (context) => new SeedRatio(context.resources),
    unsuitable: seedRatioUnsuitable,
    seesDemand: true,
  },
} as const satisfies Record<string, PolicyEntry>
