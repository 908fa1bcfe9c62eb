/** Which policy chooses where, and its change while the balancer runs. Cold. */
import type { ResourceTable } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import { didYouMean } from "../text/suggest.ts"
import { isReplica, policies, type PolicyName, policySpec, type PolicySpec } from "../policies/index.ts"
import type { PolicyEntry } from "../policies/policy.ts"
import type { RoutingOptions } from "../proxy/options.ts"
import type { CurrentPolicy, PolicyChange, PolicyView } from "./policy-view.ts"
import { routingOf, type RoutingConfig } from "./routing.ts"

/** What is wrong with a change: which part of it, and why. */
export interface PolicyChangeError {
  readonly path: string
  readonly message: string
}

export function policyViews(resources: ResourceTable): PolicyView[] {
  return (Object.entries(policies) as [PolicyName, PolicyEntry][]).map(([name, entry]) => ({
    name,
    summary: entry.summary,
    seesDemand: entry.seesDemand,
    sticks: entry.sticks === true,
    isReplica: isReplica(name),
    parameters: Object.fromEntries(
      Object.entries(entry.parameters ?? {}).map(([key, { summary, default: usual, min, max }]) => [
        key,
        { summary, default: usual, min, max },
      ]),
    ),
    unsuitable: entry.unsuitable?.(resources),
  }))
}

export class PolicyDesk {
  #config: RoutingConfig
  #routing: RoutingOptions

  constructor(config: RoutingConfig) {
    this.#config = config
    this.#routing = routingOf(config)
  }

  get routing(): RoutingOptions {
    return this.#routing
  }

  /** The policy of the whole balancer first, then those of pools that have their own. */
  get current(): CurrentPolicy[] {
    const { policy, pools } = this.#config
    return [
      { pool: "", ...policy },
      ...pools.flatMap((pool) => (pool.policy === undefined ? [] : [{ pool: pool.name, ...pool.policy }])),
    ]
  }

  /** Whether some group's policy chooses by the mix, where there are so many members at most. */
  readsMix(members: number): boolean {
    return this.#routing.groups.some(({ choosing }) => {
      const entry: PolicyEntry = policies[choosing.policy.name]
      return entry.readsMix?.(members) === true
    })
  }

  /** Takes the change; what it leads to is in `routing`. Routes with a policy of their own keep it. */
  change({ name, parameters = {}, pool }: PolicyChange): Result<PolicySpec, PolicyChangeError> {
    const spec = policySpec(name, parameters)
    if (!spec.ok) {
      const { name: parameter, message } = spec.error
      return fail({ path: parameter === "" ? "name" : `parameters.${parameter}`, message })
    }
    const entry: PolicyEntry = policies[spec.value.name]
    const reason = entry.unsuitable?.(this.#config.resources)
    if (reason !== undefined) {
      return fail({ path: "name", message: `"${name}" cannot work with these resources: ${reason}` })
    }
    const { pools } = this.#config
    if (pool === undefined) this.#config = { ...this.#config, policy: spec.value }
    else {
      const names = pools.map((one) => one.name)
      if (!names.includes(pool)) {
        return fail({ path: "pool", message: `there is no pool "${pool}"${didYouMean(pool, names)}` })
      }
      const index = names.indexOf(pool)
      this.#config = {
        ...this.#config,
        pools: pools.with(index, { ...pools[index]!, policy: spec.value }),
      }
    }
    this.#routing = routingOf(this.#config)
    return ok(spec.value)
  }
}
