/**
 * Settings that are right by themselves and can have no effect beside the others. They are no mistakes, because files
 * are often made from templates; a person who wrote one believes that it does something and has to be told.
 */

import { formatDuration } from "../text/duration.ts"
import { isLoopback } from "../core/endpoint.ts"
import { policies } from "../policies/index.ts"
import { valueAt, type ConfigIssue, type ConfigPath } from "../text/issue.ts"
import type { Config } from "./config.ts"

/** A setting, and why it does nothing, as the end of the sentence "has no effect, because …"; false where it does. */
interface Rule {
  readonly path: ConfigPath
  readonly reason: string | false
}

/**
 * What a person should know of a valid configuration.
 *
 * @param written the configuration as written: only what stands there is spoken of, never a default.
 */
export function adviceOn(config: Config, written: unknown): ConfigIssue[] {
  const rules = [
    ...checkRules(config),
    ...stickyRules(config),
    ...demandRules(config),
    ...listenerRules(config),
    ...limitRules(config),
    ...timeRules(config),
    ...poolRules(config),
  ]
  return rules.flatMap(({ path, reason }): ConfigIssue[] => {
    if (!reason || valueAt(written, path) === undefined) return []
    return [{ path, at: "key", message: `has no effect, because ${reason}`, found: undefined }]
  })
}

function checkRules({ checks, upstream, registration }: Config): Rule[] {
  return [
    { path: ["checks", "path"], reason: checks.kind === "tcp" && "checks.kind is tcp" },
    { path: ["checks", "statuses"], reason: checks.kind === "tcp" && "checks.kind is tcp" },
    {
      path: ["registration", "hosts"],
      reason: registration.token !== undefined && "a token is asked for, and with one any name is taken",
    },
    {
      path: ["upstream", "tls", "ca"],
      reason: !upstream.tls.verify && "upstream.tls.verify is false",
    },
  ]
}

const cookieSettings = ["caching", "sameSite", "secure", "partitioned", "maxAge", "domain", "path"] as const

function stickyRules({ affinity, routes, pools, policy }: Config): Rule[] {
  const places = [
    { path: ["affinity"] as ConfigPath, affinity },
    ...routes.map((route, index) => ({ path: ["routes", index, "affinity"], affinity: route.affinity })),
  ]
  const names = [policy, ...[...pools, ...routes].map((part) => part.policy)].map((spec) => spec?.name)
  const sticks = names.some((name) => name !== undefined && policies[name].sticks === true)
  const rules = places.flatMap(({ path, affinity: part }): Rule[] => {
    if (part === undefined) return []
    const isKey = part.kind !== "cookie" && part.kind !== "none"
    return [
      ...cookieSettings.map((key): Rule => {
        return { path: [...path, key], reason: part.kind !== "cookie" && "only the cookie needs it" }
      }),
      {
        path: [...path, "name"],
        reason: ["none", "address", "path"].includes(part.kind) && `the kind ${part.kind} has no name`,
      },
      {
        path: [...path, "kind"],
        reason:
          isKey && !sticks && "no policy here sends requests of one key to one backend, as ring-hash does",
      },
    ]
  })
  const hasCookie = places.some(({ affinity: part }) => part?.kind === "cookie")
  return [...rules, { path: ["cookieKey"], reason: !hasCookie && "nothing sticks by a cookie" }]
}

function demandRules({ demand, routes }: Config): Rule[] {
  const reason = demand.mode === "simulation" && "demand.mode is simulation"
  return [
    { path: ["demand", "trusted"], reason },
    ...routes.map((_, index): Rule => ({ path: ["routes", index, "trusted"], reason })),
  ]
}

function listenerRules({ tls, admin, registration }: Config): Rule[] {
  return [
    {
      path: ["tls", "redirectPort"],
      reason: tls !== undefined && !tls.redirect && "tls.redirect is false",
    },
    { path: ["admin", "allow"], reason: shutOut(admin.listen, admin.allow) },
    { path: ["registration", "allow"], reason: shutOut(registration.listen, registration.allow) },
  ]
}

/** Why nothing gets through to a listener of this machine alone. */
function shutOut(listen: Config["listen"], allow: readonly string[] | undefined): string | false {
  if (allow === undefined || !isLoopback(listen.host) || allow.some((cidr) => reachesLoopback(cidr)))
    return false
  return "only this machine reaches the listener, and the list leaves it out: nothing can connect"
}

function reachesLoopback(cidr: string): boolean {
  const [address = "", bits = ""] = cidr.split("/")
  return isLoopback(address) || bits === "0"
}

function limitRules({ limits, upstream }: Config): Rule[] {
  const { headBytesMax, attemptsMax, connectionsPerBackendMax, bodyBytesMax, queueMax } = limits
  return [
    {
      path: ["limits", "targetBytesMax"],
      reason: above(limits.targetBytesMax, "headBytesMax", headBytesMax),
    },
    {
      path: ["limits", "fieldLineBytesMax"],
      reason: above(limits.fieldLineBytesMax, "headBytesMax", headBytesMax),
    },
    {
      path: ["limits", "idlePerBackendMax"],
      reason: above(limits.idlePerBackendMax, "connectionsPerBackendMax", connectionsPerBackendMax),
    },
    {
      path: ["limits", "collectedBytesMax"],
      reason: above(limits.collectedBytesMax, "collectedBytesTotalMax", limits.collectedBytesTotalMax),
    },
    { path: ["limits", "replayBytesMax"], reason: attemptsMax === 1 && "limits.attemptsMax is 1" },
    { path: ["limits", "bodyBytesPerSecondMin"], reason: bodyBytesMax === 0 && "limits.bodyBytesMax is 0" },
    {
      path: ["limits", "pipelinedMax"],
      reason:
        limits.pipelinedMax > 1 &&
        upstream.proxyProtocol !== "none" &&
        `upstream.proxyProtocol is ${upstream.proxyProtocol}`,
    },
    { path: ["timeouts", "queue"], reason: queueMax === 0 && "limits.queueMax is 0" },
  ]
}

function above(value: number, setting: string, bound: number): string | false {
  return value > bound && `limits.${setting} is ${bound}`
}

/** Times of a part of an exchange, where the whole exchange may take no longer. */
function timeRules({ timeouts, tls, limits, upstream }: Config): Rule[] {
  const { exchangeMs } = timeouts
  const parts = {
    connect: timeouts.connectMs,
    clientBody: timeouts.clientBodyMs,
    responseHead: timeouts.responseHeadMs,
    betweenBytes: timeouts.betweenBytesMs,
    clientHalfClosed: timeouts.clientHalfClosedMs,
    queue: limits.queueMax === 0 ? 0 : timeouts.queueMs,
  }
  return [
    ...Object.entries(parts).map(([key, ms]): Rule => {
      const isIdle = exchangeMs > 0 && ms >= exchangeMs
      return {
        path: ["timeouts", key],
        reason: isIdle && `timeouts.exchange ends the whole after ${formatDuration(exchangeMs)}`,
      }
    }),
    {
      path: ["timeouts", "lingerIdle"],
      reason:
        timeouts.lingerIdleMs >= timeouts.lingerMs &&
        `timeouts.linger ends the whole after ${formatDuration(timeouts.lingerMs)}`,
    },
    {
      path: ["timeouts", "backendIdle"],
      reason:
        timeouts.backendAgeMs > 0 &&
        timeouts.backendIdleMs >= timeouts.backendAgeMs &&
        `timeouts.backendAge ends connections after ${formatDuration(timeouts.backendAgeMs)}`,
    },
    {
      path: ["upstream", "nameKeep"],
      reason:
        upstream.nameKeepMs > 0 &&
        upstream.nameKeepMs <= upstream.nameTtlMs &&
        `upstream.nameTtl is ${formatDuration(upstream.nameTtlMs)}`,
    },
    { path: ["timeouts", "tlsHandshake"], reason: tls === undefined && "there is no section tls" },
  ]
}

function poolRules({ pools, routes, choosing }: Config): Rule[] {
  return [
    ...pools.map(({ name }, index): Rule => {
      const isUsed = routes.some(({ pool }) => pool === name)
      return { path: ["pools", index, "name"], reason: !isUsed && "no route names this pool" }
    }),
    ...(["aggression", "minShare"] as const).map((key): Rule => {
      const reason = choosing.slowStart.windowMs === 0 && "choosing.slowStart.window is 0s"
      return { path: ["choosing", "slowStart", key], reason }
    }),
  ]
}
