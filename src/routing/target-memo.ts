/**
 * Hot path: the routes of targets that came before. Clients ask for the same few things again and again: comparing a
 * target of 20 bytes takes 25 ns where its template and the look-up of that take 150. Benchmark: bench/learn.ts.
 */

const places = 128
/** Longer targets are not remembered. */
const targetBytesMax = 128

/**
 * A target is kept when it comes for the second time in a row in its place, so that targets which are always new cost
 * a few sampled bytes. 18 KiB.
 */
export class TargetMemo {
  readonly #bytes = new Uint8Array(places * targetBytesMax)
  /** 0 where nothing is kept. */
  readonly #lengths = new Uint8Array(places)
  readonly #methods: string[] = Array.from({ length: places }, () => "")
  readonly #routes = new Int32Array(places)
  /** Of the last target in this place that was not known. */
  readonly #samples = new Int32Array(places)

  /** The route of this method and target, path and query, or -1 where it is not remembered. */
  recall(method: string, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length > targetBytesMax) return -1
    const place = placeOf(sampleOf(bytes, start, end))
    if (this.#lengths[place] !== length || this.#methods[place] !== method) return -1
    const kept = this.#bytes
    const from = place * targetBytesMax
    // From the end, where targets differ. A loop, as `Buffer.compare` takes 70 ns before it has looked at a byte.
    for (let i = length - 1; i >= 0; i--) if (kept[from + i] !== bytes[start + i]) return -1
    return this.#routes[place]!
  }

  /** To be told of every target that `recall` did not know, with its route. */
  learn(method: string, bytes: Uint8Array, start: number, end: number, route: number): void {
    const length = end - start
    if (length > targetBytesMax || length === 0) return
    const sample = sampleOf(bytes, start, end)
    const place = placeOf(sample)
    const isSecond = this.#samples[place] === sample
    this.#samples[place] = sample
    if (!isSecond) return
    const from = place * targetBytesMax
    for (let i = 0; i < length; i++) this.#bytes[from + i] = bytes[start + i]!
    this.#lengths[place] = length
    this.#methods[place] = method
    this.#routes[place] = route
  }

  /** Cold: routes have other numbers now. */
  clear(): void {
    this.#lengths.fill(0)
    this.#samples.fill(0)
  }
}

/** Tells targets apart by their length, a byte in the middle and the last four. Never 0 for a target that has bytes. */
function sampleOf(bytes: Uint8Array, start: number, end: number): number {
  let sample = end - start
  sample = Math.imul(sample ^ (bytes[start + (sample >> 1)]! << 8), 0x9e3779b1)
  for (let i = Math.max(start, end - 4); i < end; i++) sample = Math.imul(sample ^ bytes[i]!, 0x01000193)
  return sample
}

function placeOf(sample: number): number {
  return (sample ^ (sample >>> 15)) & (places - 1)
}
