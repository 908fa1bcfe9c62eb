/** What requests need, as it is reserved. */
import type { RouteKnowledge } from "../core/knowledge.ts"
import type { ResourceVector } from "../core/resources.ts"

/** In the resources' own units and in the load table's. Both stay as they are while a request has them. */
export interface Demand {
  readonly vector: Readonly<ResourceVector>
  readonly units: Int32Array
}

/**
 * Cold: what a request of this route is taken to need: what was learned, or `otherwise` while nothing is known. What is
 * only believed must not keep a request from all backends, so it is at most `roomMost`: the roomiest has it alone.
 */
export function believedDemand(
  known: RouteKnowledge | undefined,
  otherwise: Readonly<ResourceVector>,
  roomMost: Readonly<ResourceVector>,
): ResourceVector {
  return Float64Array.from(known?.mean ?? otherwise, (amount, r) => Math.min(amount, roomMost[r]!))
}
