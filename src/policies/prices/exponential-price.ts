// Hot path. Benchmark: bench/choose.ts.
import type { Backend } from "../../core/backend.ts"
import { leastOf } from "../tools/least-of.ts"
import type { Parameter, PickRequest, Policy, PolicyContext, PolicyEntry } from "../policy.ts"

const betaRate: Parameter = {
  summary:
    "Steepness for resources of rate kind, per second of backlog; 1 to 3 over the mean service time in seconds.",
  default: 2,
  min: 0.001,
  max: 10_000,
}

const betaSpace: Parameter = {
  summary: "Steepness for resources of space kind, per whole of the space.",
  default: 6,
  min: 0.001,
  max: 100,
}

/** From here on e^x goes on as the parabola that touches it: the difference of two overflows would be NaN. */
const exponentMax = 500

/**
 * The backend where the potential Σ_r C_r · e^{β_r W_r / C_r} rises least:
 *
 *     Σ_r C_r · (e^{β_r (W_r + d_r) / C_r} − e^{β_r W_r / C_r})
 *
 * with W what is reserved, d the demand and C the capacity. Ties at random. It is `price` with an exponential in place
 * of a straight line: near nothing where there is much room, and steeper than any line where there is little, so it
 * guards limits better and averages worse. O(n·R) per pick, two exponentials a resource.
 *
 * A space without room for the demand costs Infinity, and so does a resource that is needed and not there. Beyond
 * 500/β of backlog the potential is a parabola, and the choice that of `price`, so that no load is too much for it.
 *
 * The potential and its proof are of Aspnes, Azar, Fiat, Plotkin, Waarts, "On-line routing of virtual circuits with
 * applications to load balancing and machine scheduling", JACM 44(3), 1997: within O(log m) of the best for jobs of
 * known duration on m unrelated machines.
 */
export class ExponentialPrice implements Policy {
  /** Its row in the table of policies. */
  static readonly entry = {
    summary:
      "As price, but prices rise exponentially with load, so that resources near their limit are avoided.",
    make: (context) => new ExponentialPrice(context),
    parameters: { betaRate, betaSpace },
    seesDemand: true,
  } as const satisfies PolicyEntry

  readonly name = "exponential-price"
  readonly #context: PolicyContext
  readonly #isSpace: readonly boolean[]
  readonly #betas: Float64Array
  #members: readonly Backend[] = []
  #values = new Float64Array(0)

  constructor(context: PolicyContext) {
    const { resources, parameters } = context
    this.#context = context
    this.#isSpace = resources.map(({ kind }) => kind === "space")
    this.#betas = Float64Array.from(resources, ({ kind }) =>
      kind === "space" ? parameters["betaSpace"]! : parameters["betaRate"]!,
    )
  }

  rebuild(members: readonly Backend[]): void {
    this.#members = members
    this.#values = new Float64Array(members.length)
  }

  pick(request: PickRequest): Backend | undefined {
    const members = this.#members
    const values = this.#values
    const isSpace = this.#isSpace
    const betas = this.#betas
    const { demand } = request
    for (let i = 0; i < members.length; i++) {
      const backend = members[i]!
      if (!request.admits(backend)) {
        values[i] = NaN
        continue
      }
      let price = 0
      for (let r = 0; r < betas.length; r++) {
        const amount = demand[r]!
        // Skipped, or a capacity of 0 would make NaN of it.
        if (amount === 0) continue
        const capacity = backend.capacity[r]!
        const reserved = backend.load.reserved(r)
        if (capacity === 0 || (isSpace[r]! && reserved + amount > capacity)) {
          price = Infinity
          break
        }
        price += capacity * rise((betas[r]! * reserved) / capacity, (betas[r]! * amount) / capacity)
      }
      values[i] = price
    }
    return members[leastOf(values, members.length, this.#context.rng)]
  }
}

/** e^(x + step) − e^x for x ≥ 0 and step > 0, with the parabola in place of the exponential beyond its limit. */
function rise(x: number, step: number): number {
  const end = x + step
  if (end <= exponentMax) return Math.exp(x) * Math.expm1(step)
  const from = x <= exponentMax ? Math.exp(x) : Math.exp(exponentMax) * parabola(x - exponentMax)
  return Math.exp(exponentMax) * parabola(end - exponentMax) - from
}

/** The first terms of e^t. */
function parabola(t: number): number {
  return 1 + t + (t * t) / 2
}
