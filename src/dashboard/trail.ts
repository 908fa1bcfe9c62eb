/** How far back a trail goes. */
const trailMs = 60_000

/** The last minute of one number, to be drawn as a line. Time is the balancer's own, as each state carries it. */
export class Trail {
  #at: number[] = []
  #values: number[] = []

  /** Adds the newest value. Time that runs backwards means that the balancer has started anew: so does the trail. */
  add(at: number, value: number): void {
    const last = this.#at.at(-1)
    if (last !== undefined && at < last) {
      this.#at = []
      this.#values = []
    }
    this.#at.push(at)
    this.#values.push(value)
    // One point from before the minute stays where none is at its very start, so that the line starts at the left edge.
    while (this.#at.length > 2 && this.#at[1]! <= at - trailMs) {
      this.#at.shift()
      this.#values.shift()
    }
  }

  /** The largest value of the last minute, 0 without any. */
  get peak(): number {
    let peak = 0
    for (const value of this.#values) if (value > peak) peak = value
    return peak
  }

  /**
   * The line as SVG path data in a box of `width` × `height`: the newest point at the right edge, `peak` at the
   * top. `closed` goes down to the base line and back, for the area below. Empty with fewer than two points.
   */
  path(width: number, height: number, peak: number, closed: boolean): string {
    const newest = this.#at.at(-1)
    if (newest === undefined || this.#at.length < 2) return ""
    let path = ""
    let left = 0
    for (let i = 0; i < this.#at.length; i++) {
      const x = Math.max(0, width * (1 - (newest - this.#at[i]!) / trailMs))
      const y = peak > 0 ? height * (1 - Math.min(1, this.#values[i]! / peak)) : height
      if (i === 0) left = x
      path += `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`
    }
    return closed ? `${path}L${width} ${height}L${left.toFixed(1)} ${height}Z` : path
  }
}
