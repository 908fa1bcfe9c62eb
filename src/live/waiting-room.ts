/**
 * Room for jobs on one backend: each holds its amounts from when it is let in until it leaves. A job that finds no room
 * waits, first come, first served, so a large one is not passed by small ones for ever.
 */
export class WaitingRoom<Job> {
  readonly #capacity: readonly number[]
  readonly #taken: number[]
  readonly #held: number[]
  readonly #inside = new Map<Job, readonly number[]>()
  readonly #waiting: { readonly job: Job; readonly amounts: readonly number[] }[] = []

  /** @param capacity room by resource; 0 for one that holds nothing, of which no job asks for any. */
  constructor(capacity: readonly number[]) {
    this.#capacity = capacity
    this.#taken = capacity.map(() => 0)
    this.#held = capacity.map(() => 0)
  }

  /** The resource of which these amounts need more than there is, if no job were inside; −1 when there is none. */
  lacking(amounts: readonly number[]): number {
    return amounts.findIndex((amount, r) => this.#capacity[r]! > 0 && amount > this.#room(r))
  }

  held(resource: number): number {
    return this.#held[resource]!
  }

  /** False when it has to wait; then it comes out of `leave` or `setTaken` later. */
  enter(job: Job, amounts: readonly number[]): boolean {
    if (this.#waiting.length > 0 || !this.#fits(amounts)) {
      this.#waiting.push({ job, amounts })
      return false
    }
    this.#take(job, amounts)
    return true
  }

  /** A job goes, from inside or from the queue; returns those that have been let in instead. */
  leave(job: Job): readonly Job[] {
    const amounts = this.#inside.get(job)
    if (amounts === undefined) {
      const place = this.#waiting.findIndex((entry) => entry.job === job)
      if (place !== -1) this.#waiting.splice(place, 1)
    } else {
      this.#inside.delete(job)
      // Sums of what came and went would be off by their rounding.
      const isEmpty = this.#inside.size === 0
      for (const [r, amount] of amounts.entries()) this.#held[r] = isEmpty ? 0 : this.#held[r]! - amount
    }
    return this.#admit()
  }

  /**
   * Another program takes this part of a resource. Returns the jobs that have been let in because it is less than
   * before. Where it is more, `unfit` says which jobs have to leave: they would keep all others waiting.
   */
  setTaken(resource: number, part: number): readonly Job[] {
    this.#taken[resource] = part
    return this.#admit()
  }

  /** Those that wait for more than there can be now. */
  unfit(): readonly Job[] {
    return this.#waiting.filter(({ amounts }) => this.lacking(amounts) !== -1).map(({ job }) => job)
  }

  #admit(): readonly Job[] {
    const admitted: Job[] = []
    for (
      let next = this.#waiting[0];
      next !== undefined && this.#fits(next.amounts);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift()
      this.#take(next.job, next.amounts)
      admitted.push(next.job)
    }
    return admitted
  }

  #take(job: Job, amounts: readonly number[]): void {
    this.#inside.set(job, amounts)
    for (const [r, amount] of amounts.entries()) this.#held[r]! += amount
  }

  #fits(amounts: readonly number[]): boolean {
    return amounts.every(
      (amount, r) => this.#capacity[r] === 0 || this.#held[r]! + amount <= this.#room(r) * (1 + 1e-9),
    )
  }

  #room(resource: number): number {
    return this.#capacity[resource]! * (1 - this.#taken[resource]!)
  }
}
