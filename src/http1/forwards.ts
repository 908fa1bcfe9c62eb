/**
 * How far a request may still go, and how often it was here: Max-Forwards and Via (RFC 9110 7.6.2, 7.6.3), or CDN-Loop
 * (RFC 8586) where backends are not to see Via.
 */
import { type Head } from "./head.ts"
import { fields } from "../core/http/fields.ts"
import { allowedMethods } from "./serialize.ts"

/** A request that has been here this often goes round in circles. Several balancers in a row may share a name. */
const loopsMax = 8

/** Whether a request has been here too often, by what Via and CDN-Loop say of this pseudonym. */
export function isLoop(head: Head, pseudonym: string): boolean {
  return head.viaField !== -1 && timesHere(head, pseudonym) >= loopsMax
}

/** How many entries of Via and CDN-Loop carry this pseudonym. */
function timesHere(head: Head, pseudonym: string): number {
  let times = 0
  for (let field = head.viaField; field !== -1 && field < head.count; field++) {
    const id = head.ids[field]
    if (id !== fields.via && id !== fields["cdn-loop"]) continue
    for (const entry of head.value(field).split(",")) {
      // `1.1 name (comment)`, or `name; parameter`.
      const words = entry.trim().split(/[ \t;]+/)
      if (words[id === fields.via ? 1 : 0] === pseudonym) times++
    }
  }
  return times
}

/**
 * How many times a request may still be passed on: Max-Forwards, which counts for OPTIONS, and is taken out then. -1 when
 * that is not one plain number, and Infinity where nothing limits it. Numbers beyond nine digits count as nine nines.
 */
export function forwardsLeft(head: Head): number {
  if (head.maxForwardsField === -1 || head.method !== "OPTIONS") return Infinity
  const text = head.value(head.maxForwardsField)
  let count = 0
  for (let field = 0; field < head.count; field++) {
    if (head.ids[field] !== fields["max-forwards"]) continue
    head.hopByHop[field] = 1
    count++
  }
  if (count !== 1 || !/^[0-9]+$/.test(text)) return -1
  return Math.min(Number(text), 999_999_999)
}

/** The response to an OPTIONS that may go no further. */
export function optionsAnswer(closes: boolean, date: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 204 No Content\r\nAllow: ${allowedMethods}\r\nDate: ${date}\r\n${closes ? "Connection: close\r\n" : ""}\r\n`,
  )
}
