/** Milliseconds on a monotonic scale; only differences mean anything. */
export type Millis = number

/** Monotonic time, passed in where it is needed. `system.ts` holds the only real clock. */
export interface Clock {
  now(): Millis
}
