import type { Backend } from "../../core/backend.ts"

/** Which of the tied has its turn. Keeps what it knows of a backend by id through changes of membership. */
export interface Turns {
  /** Cold. */
  rebuild(members: readonly Backend[]): void
  /** Hot. The place of the member that has its turn among the first `count` places in `candidates`, ≥ 1. */
  next(candidates: Int32Array, count: number): number
}
