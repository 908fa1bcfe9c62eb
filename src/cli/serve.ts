import { flushCompileCache } from "node:module"
import { type Balancer, startBalancer, StartError } from "../balancer.ts"
import { balancerOptions, configOf } from "./config-source.ts"
import type { Command } from "./command.ts"
import type { Config } from "../config/config.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import { formatAddress } from "../membership/address.ts"
import { endBy, outliveBugs } from "./last-resort.ts"
import { explainStartError } from "./start-error.ts"
import { stopAsked } from "./signals.ts"

/** Backends that the start names; of more it says how many. */
const shownMax = 8

export const serve: Command = {
  name: "serve",
  usage:
    "[--to ADDRESS ...] [-c linebacker.yaml] [-o :5252] [-i :9797] [-f :9494] [--policy NAME] [--workers N]",
  positionalsMax: 0,
  options: {
    to: {
      type: "string",
      multiple: true,
      value: "ADDRESS",
      about: "A backend, beside those of the file: 10.0.0.7:8080, :8080 or https://app.internal:8443.",
    },
    config: {
      type: "string",
      short: "c",
      value: "FILE",
      about: "The configuration; every setting has a default.",
    },
    ...balancerOptions,
  },
  async run(given, io) {
    const config = configOf(given, io)
    if (typeof config === "number") return config
    try {
      const balancer = await startBalancer(config, {
        log: (line) => io.err(`${line}\n`),
        linesLost: io.linesLost,
      })
      outliveBugs(balancer)
      const asked = stopAsked(io, {
        hangup: () => hangup(balancer),
        isBlocked: () => balancer.hasStuckThread,
      })
      const { traffic, tls, registration, admin } = balancer.listeners
      io.say(
        `linebacker: traffic on ${formatEndpoint(traffic)}${tls === undefined ? "" : `, TLS on ${formatEndpoint(tls)}`}, registration on ${formatEndpoint(registration)}, ` +
          `page on http://${formatEndpoint(admin)}/, policy ${config.policy.name}\n${knownLine(config)}`,
      )
      // Now, and not only at the end: it runs for long, and may be killed.
      flushCompileCache()
      await asked
      await balancer.close()
      if (balancer.hasStuckThread) endBy("SIGTERM")
      return 0
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      io.err(`linebacker serve: ${explainStartError(error)}\n`)
      return 1
    }
  },
}

/** The backends that are known from the start, for a person; nothing where there are none. */
function knownLine({ backends }: Config): string {
  if (backends.length === 0) return ""
  const shown = backends.slice(0, shownMax).map(({ id, address, scheme = "http" }) => {
    const where = `${scheme === "https" ? "https://" : ""}${formatAddress(address)}`
    return id === where ? where : `${id} (${where})`
  })
  const rest = backends.length > shownMax ? ` and ${backends.length - shownMax} more` : ""
  const sizes = new Set(backends.map(({ capacity, weight = 1 }) => JSON.stringify([capacity, weight])))
  const alike =
    sizes.size === 1 && backends.length > 1
      ? "; all count the same, as no capacity or weight tells them apart"
      : ""
  return `linebacker: known backends: ${shown.join(", ")}${rest}${alike}\n`
}

/** What SIGHUP does, and what came of it. */
function hangup(balancer: Balancer): string {
  const read = balancer.reloadCertificates()
  const certificates =
    read === undefined
      ? "there are no certificates to read again"
      : `certificates were read again: ${read.renewed} renewed, ${read.refused} refused, ${read.same} as before`
  return `${certificates}; the configuration is read at the start only`
}
