/** A source of chance, passed in where it is needed. `system.ts` seeds the only unrepeatable one. */
export interface Rng {
  /** Uniform in [0, 1), 32 bits of it random. */
  next(): number
  /** A uniform integer in 0..bound-1; `bound` is an integer from 1 to 2^32. */
  below(bound: number): number
}

/**
 * Mixes a 32-bit integer into another so that neighbouring inputs give unrelated outputs (a bijection).
 *
 * The finalizer of MurmurHash3 (Appleby, 2011, public domain), which passes the avalanche test.
 */
export function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * A repeatable source: the same seed gives the same sequence on every machine.
 *
 * The generator is sfc32 (Doty-Humphrey's Small Fast Counting generator, PractRand, public domain): a period of
 * at least 2^32 for every seed, 2^127 on average. The first outputs, in which nearby seeds could still be told
 * apart, are thrown away.
 */
export function seeded(seed: number): Rng {
  return new Sfc32(seed)
}

class Sfc32 implements Rng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#a = mix32(seed)
    this.#b = mix32(this.#a ^ 0x9e3779b9)
    this.#c = mix32(Math.floor(seed / 2 ** 32) ^ this.#b)
    for (let i = 0; i < 12; i++) this.#int32()
  }

  next(): number {
    return (this.#int32() >>> 0) / 2 ** 32
  }

  below(bound: number): number {
    return Math.floor(((this.#int32() >>> 0) * bound) / 2 ** 32)
  }

  /** Not a uint32: handing one on from 2^31 on allocates where the compiler does not inline the call. */
  #int32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }
}
