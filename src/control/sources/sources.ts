import type { Registration } from "../../membership/registration.ts"
import type { NotRegistered } from "../../membership/registry-errors.ts"
import { formatAddress } from "../../membership/address.ts"
import type { Millis } from "../../core/clock.ts"
import type { Timers } from "../../system.ts"
import type { StateView } from "../state-view.ts"
import type { Findings, Source } from "./source.ts"

export interface SourcesParts {
  /** Of two that find the same backend, the one that is earlier here has it. */
  readonly sources: readonly Source[]
  /** These are the backends that hold no lease, all of them; gives why some could not join. */
  readonly configure: (backends: readonly Registration[]) => readonly NotRegistered[]
  readonly timers: Timers
  readonly log: (line: string) => void
}

/** After some could not join, which is mostly for want of room, all are offered again. */
const retryMs: Millis = 1_000

const nothing: Findings = { backends: [], problems: [] }

/**
 * Puts together what all sources find. Each is heard by itself: what one finds or fails to find changes nothing of the
 * others. What is wrong is logged when it begins and when it is over.
 */
export class Sources {
  readonly #parts: SourcesParts
  readonly #findings = new Map<Source, Findings>()
  /** What is wrong now, by source; what is wrong with all of them together is of none. */
  #problems = new Map<Source | undefined, readonly string[]>()
  #cancelRetry: (() => void) | undefined

  constructor(parts: SourcesParts) {
    this.#parts = parts
  }

  start(): void {
    for (const source of this.#parts.sources) {
      source.start((findings) => {
        this.#findings.set(source, findings)
        this.#configure()
      })
    }
  }

  close(): void {
    this.#cancelRetry?.()
    for (const source of this.#parts.sources) source.close()
  }

  /** For the state: what each source has found, and what is wrong with it. */
  get view(): StateView["sources"] {
    return this.#parts.sources.map((source) => ({
      kind: source.kind,
      name: source.name,
      backends: (this.#findings.get(source) ?? nothing).backends.length,
      problems: [...(this.#problems.get(source) ?? [])],
    }))
  }

  #configure(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    const problems = new Map<Source | undefined, readonly string[]>()
    const backends = new Map<string, Registration>()
    const places = new Map<string, string>()
    for (const source of this.#parts.sources) {
      const found = this.#findings.get(source) ?? nothing
      const repeated = found.backends.flatMap((one) => add(one, backends, places))
      problems.set(source, [...found.problems, ...repeated.map((line) => `${source.name}: ${line}`)])
    }
    const refused = this.#parts.configure([...backends.values()])
    problems.set(undefined, [...new Set(refused.map(({ message }) => `a backend cannot join: ${message}`))])
    if (refused.length > 0) {
      this.#cancelRetry = this.#parts.timers.set(retryMs, () => this.#configure(), { unref: true })
    }
    this.#tell(problems)
  }

  #tell(problems: ReadonlyMap<Source | undefined, readonly string[]>): void {
    const before = new Set([...this.#problems.values()].flat())
    const now = new Set([...problems.values()].flat())
    this.#problems = new Map(problems)
    for (const line of now) if (!before.has(line)) this.#parts.log(line)
    for (const line of before) if (!now.has(line)) this.#parts.log(`over: ${line}`)
  }
}

/** Adds one that is not there yet; gives why it is left out otherwise. */
function add(one: Registration, backends: Map<string, Registration>, places: Map<string, string>): string[] {
  const place = formatAddress(one.address)
  const holder = places.get(place)
  if (backends.has(one.id)) return [`the id "${one.id}" is that of another backend; this one is left out`]
  if (holder !== undefined) return [`${one.id} is left out: ${holder} has its address ${place}`]
  backends.set(one.id, one)
  places.set(place, one.id)
  return []
}
