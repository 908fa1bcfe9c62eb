/** From configuration to where requests go: groups of backends under a policy, and the rules that lead to them. Cold. */
import type { ChoosingSpec } from "../policies/around/chooser.ts"
import type { PolicySpec } from "../policies/index.ts"
import type { GroupOptions, RouteOptions, RoutingOptions } from "../proxy/options.ts"
import { amountsOf, type ResourceTable } from "../core/resources.ts"
import type { Config, RouteConfig } from "../config/config.ts"

/** What of the configuration says where requests go. */
export type RoutingConfig = Pick<
  Config,
  "policy" | "choosing" | "pools" | "routes" | "affinity" | "resources"
>

/**
 * One group for each pool and policy that a route leads to; the first is that of all backends under the policy of the
 * whole balancer. Routes with a cookie share a group with those without: for a client that is bound to no backend the
 * policy chooses as ever.
 */
export function routingOf(config: RoutingConfig): RoutingOptions {
  const { routes, affinity, resources } = config
  const groups: GroupOptions[] = []
  const groupOf = (pool: string | undefined, policy: PolicySpec | undefined, binds: boolean): number => {
    const wanted = groupOptions(config, pool, policy)
    const index = groups.findIndex((group) => isSame(group, wanted))
    const found = index === -1 ? groups.push(wanted) - 1 : index
    if (binds) groups[found] = { ...wanted, choosing: { ...wanted.choosing, bind: true } }
    return found
  }
  groupOf(undefined, undefined, affinity.kind === "cookie")
  const options = routes.map((route): RouteOptions => {
    const sticks = route.affinity ?? affinity
    return {
      rule: { name: route.name, method: route.method, host: route.host, path: route.path },
      group: groupOf(route.pool, route.policy, sticks.kind === "cookie"),
      demand: demandOf(route, resources),
      isTrusted: route.trusted,
      affinity: sticks,
    }
  })
  return { groups, routes: options, affinity }
}

function groupOptions(
  { policy, choosing, pools }: RoutingConfig,
  poolName: string | undefined,
  own: PolicySpec | undefined,
): GroupOptions {
  const pool = pools.find(({ name }) => name === poolName)
  const spec: ChoosingSpec = { ...choosing, policy: own ?? pool?.policy ?? policy }
  return { pool: pool?.name ?? "", match: pool?.match, choosing: spec }
}

function isSame(a: GroupOptions, b: GroupOptions): boolean {
  return a.pool === b.pool && JSON.stringify(a.choosing.policy) === JSON.stringify(b.choosing.policy)
}

function demandOf({ demand }: RouteConfig, resources: ResourceTable): Float64Array | undefined {
  if (demand === undefined || Object.keys(demand).length === 0) return undefined
  return amountsOf(resources, demand, NaN)
}
