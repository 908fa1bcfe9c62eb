/** Milliseconds on a monotonic scale; only differences mean anything. */
export type Millis = number

/** Monotonic time. Given to whoever needs it; `system.ts` holds the only real one. */
export interface Clock {
  now(): Millis
}
