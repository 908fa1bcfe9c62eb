import { type Balancer, startBalancer, StartError } from "../balancer.ts"
import { balancerOptions, configOf } from "./config-source.ts"
import type { Command } from "./command.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import { endBy, outliveBugs } from "./last-resort.ts"
import { explainStartError } from "./start-error.ts"
import { stopAsked } from "./signals.ts"

export const serve: Command = {
  name: "serve",
  usage: "[-c linebacker.yaml] [-o :5252] [-i :9797] [-f :9494] [--policy NAME] [--workers N]",
  positionalsMax: 0,
  options: {
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
          `page on http://${formatEndpoint(admin)}/, policy ${config.policy.name}\n`,
      )
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

/** What SIGHUP does, and what came of it. */
function hangup(balancer: Balancer): string {
  const read = balancer.reloadCertificates()
  const certificates =
    read === undefined
      ? "there are no certificates to read again"
      : `certificates were read again: ${read.renewed} renewed, ${read.refused} refused, ${read.same} as before`
  return `${certificates}; the configuration is read at the start only`
}
