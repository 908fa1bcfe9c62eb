/** Numbers as a person reads them. */

import type { Millis } from "../core/clock.ts"

/** 0.53 ms, 12 ms, 7.3 s, 2.1 min. */
export function duration(ms: Millis): string {
  if (!Number.isFinite(ms)) return "–"
  if (ms < 1) return `${Number(ms.toPrecision(2))} ms`
  if (ms < 1_000) return `${Number(ms.toPrecision(ms < 100 ? 2 : 3))} ms`
  if (ms < 120_000) return `${Number((ms / 1_000).toPrecision(ms < 10_000 ? 2 : 3))} s`
  return `${Number((ms / 60_000).toPrecision(3))} min`
}

/** Of a tick: always in milliseconds or seconds, so that ticks stay round. */
export function tickDuration(ms: Millis): string {
  return ms < 1_000 ? `${ms} ms` : `${count(ms / 1_000)} s`
}

export function rate(value: number): string {
  return value >= 1_000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)))
}

export function amount(value: number): string {
  return Number.isFinite(value) ? count(Number(value.toPrecision(3))) : "–"
}

/** Thousands apart by a narrow space. */
export function count(value: number): string {
  const [whole = "", fraction] = String(value).split(".")
  const apart = whole.replaceAll(/\B(?=(\d{3})+$)/g, "\u202F")
  return fraction === undefined ? apart : `${apart}.${fraction}`
}

export function percent(value: number): string {
  return `${Math.round(value * 100)} %`
}

export function plural(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`
}
