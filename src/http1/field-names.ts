/**
 * Hot path: recognises the field names that matter to us while a head is scanned. The scanner feeds a rolling
 * hash of the name as `tokenPlain` has it; a hit is confirmed byte by byte. A name that is not one of them is id 0.
 * Benchmark: bench/head.ts.
 */
import { fields, firstExtraField } from "../core/http/fields.ts"
import { tokenLower, tokenPlain } from "./characters.ts"

/**
 * Set in what `find` returns for a name that is none of these, but would be with `-` for other bytes: `X_Real.IP`. An
 * origin of the CGI kind takes it for the one with the `-`.
 */
export const lookAlike = 256

/**
 * 1 for each id that the balancer writes itself, drops because any client could have made it up, or goes by: what looks
 * like one of them must not stand in for it. Other fields are the client's own affair.
 */
export const isOurs: Uint8Array = new Uint8Array(lookAlike).fill(1)
for (const name of ["authorization", "content-type", "cookie", "date", "expect", "retry-after"] as const)
  isOurs[fields[name]] = 0
isOurs[fields["www-authenticate"]] = 0
isOurs[fields["proxy-authenticate"]] = 0
isOurs[fields["proxy-authorization"]] = 0

const slots = 256

/** A closed set of field names. Built once per thread; `find` allocates nothing. */
export class FieldNames {
  readonly #ids = new Uint8Array(slots)
  readonly #hashes = new Int32Array(slots)
  readonly #names: string[] = Array.from({ length: slots }, () => "")

  /** `extra` names get the ids from `firstExtraField` on, in their order; upper and lower case are one. */
  constructor(extra: readonly string[] = []) {
    for (const [name, id] of Object.entries(fields)) if (id !== fields.other) this.#add(name, id)
    for (const [index, name] of extra.entries()) this.#add(name.toLowerCase(), firstExtraField + index)
  }

  /** The id of the name at bytes[start..end) whose rolling hash is `hash`, with `lookAlike` if it is not that; or 0. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    let found = 0
    let slot = hash & (slots - 1)
    while (this.#ids[slot] !== 0) {
      if (this.#hashes[slot] === hash) {
        const name = this.#names[slot]!
        if (equals(bytes, start, end, name)) return this.#ids[slot]!
        if (looksLike(bytes, start, end, name)) found = this.#ids[slot]! | lookAlike
      }
      slot = (slot + 1) & (slots - 1)
    }
    return found
  }

  #add(name: string, id: number): void {
    let hash = 0
    for (let i = 0; i < name.length; i++) hash = rollHash(hash, tokenPlain[name.charCodeAt(i)]!)
    let slot = hash & (slots - 1)
    while (this.#ids[slot] !== 0) slot = (slot + 1) & (slots - 1)
    this.#ids[slot] = id
    this.#hashes[slot] = hash
    this.#names[slot] = name
  }
}

/** One step of the rolling hash over a name as `tokenPlain` has it, an int32. */
export function rollHash(hash: number, plain: number): number {
  return (Math.imul(hash, 31) + plain) | 0
}

/** A name in lower case with `-` for everything that is neither letter nor digit, as `tokenPlain` has it. Cold. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "-")
}

/** Whether bytes[start..end) is `name` (given in lower case), upper and lower case being one. */
export function equals(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (tokenLower[bytes[start + i]!] !== name.charCodeAt(i)) return false
  return true
}

/** The same, but every byte that is neither letter nor digit is like any other. */
function looksLike(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++)
    if (tokenPlain[bytes[start + i]!] !== tokenPlain[name.charCodeAt(i)]) return false
  return true
}
