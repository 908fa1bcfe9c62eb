import { createBalancer, StartError } from "../balancer.ts"
import { balancerOptions, configOf } from "./config-source.ts"
import type { Command } from "./command.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import { endBy, outliveBugs } from "./last-resort.ts"
import { explainStartError } from "./start-error.ts"
import { untilSignal } from "./until-signal.ts"

export const serve: Command = {
  name: "serve",
  summary: "Run the balancer.",
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
      const balancer = await createBalancer(config, (line) => io.err(`${line}\n`))
      outliveBugs(balancer)
      const { traffic, tls, registration, admin } = balancer.listeners
      // Without certificates the signal keeps its meaning: the terminal has gone.
      if (tls !== undefined) process.on("SIGHUP", () => balancer.reloadCertificates())
      io.out(
        `linebacker: traffic on ${formatEndpoint(traffic)}${tls === undefined ? "" : `, TLS on ${formatEndpoint(tls)}`}, registration on ${formatEndpoint(registration)}, ` +
          `page on http://${formatEndpoint(admin)}/, policy ${config.policy.name}\n`,
      )
      await untilSignal(io, () => balancer.stop())
      if (balancer.hasStuckThread) endBy("SIGTERM")
      return 0
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      io.err(`linebacker serve: ${explainStartError(error)}\n`)
      return 1
    }
  },
}
