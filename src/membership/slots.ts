/**
 * The rows of the load table, given out to members.
 *
 * A row outlives its member: attempts may still be running on it, and data-plane threads may still hold a
 * snapshot that names it. So a retired slot is given out again only when nothing is in flight on it and every
 * thread has acknowledged the snapshot version it was retired with.
 */
export interface Slots {
  /** A row that is not in use, or undefined when there is none (yet). */
  allocate(): number | undefined
  /** The member with this row is gone from snapshot `version` on. */
  retire(slot: number, version: number): void
}
