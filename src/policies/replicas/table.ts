/**
 * The rules of other programs and papers, as they are there: to compare with, in the simulator and in measurements.
 * For use in production another family has a policy for the purpose of each.
 */
import { LeastConnectionsHaproxy } from "./least-connections-haproxy.ts"
import { PowerOfTwoCaddy } from "./power-of-two-caddy.ts"
import { PowerOfTwoTraefik } from "./power-of-two-traefik.ts"
import { SeedRatio } from "./seed-ratio.ts"
import { balancedAllocation } from "./balanced-allocation.ts"
import { drfhBestFit } from "./drfh-best-fit.ts"
import { leastTimeTraefik } from "./least-time-traefik.ts"
import { tetris } from "./tetris.ts"
import type { PolicyEntry } from "../policy.ts"

export const replicas = {
  "least-connections-haproxy": LeastConnectionsHaproxy.entry,
  "power-of-two-caddy": PowerOfTwoCaddy.entry,
  "power-of-two-traefik": PowerOfTwoTraefik.entry,
  "least-time-traefik": leastTimeTraefik,
  "drfh-best-fit": drfhBestFit,
  tetris,
  "balanced-allocation": balancedAllocation,
  "seed-ratio": SeedRatio.entry,
} as const satisfies Record<string, PolicyEntry>
