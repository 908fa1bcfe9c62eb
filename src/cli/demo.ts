import { type Balancer, createBalancer, StartError } from "../balancer.ts"
import type { Config } from "../control/config.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import { seeded } from "../core/rng.ts"
import { drawCapacity } from "./backend.ts"
import { type Command, type Given, text, UsageError } from "./command.ts"
import { balancerOptions, configOf } from "./config-source.ts"
import { DemonstrationFleet, untilReady } from "./demonstration-fleet.ts"
import { explainStartError } from "./start-error.ts"
import { untilSignal } from "./until-signal.ts"

/** Draws three fleets that differ visibly; any other whole number does as well. */
const seedDefault = 54
const backendsMax = 64

export const demo: Command = {
  name: "demo",
  summary: "Run the whole demonstration: balancer, three backends that announce themselves, page.",
  usage: "[--backends 3] [--seed N] [-o :5252] [-i :9797] [-f :9494]",
  positionalsMax: 0,
  options: {
    backends: { type: "string", value: "N", about: "How many backends. Default 3." },
    "backend-port": {
      type: "string",
      value: "PORT",
      about: "The first backend's port; the others follow. Default 5453.",
    },
    ...balancerOptions,
  },
  async run(given, io) {
    const count = wholeNumber(given, "backends", 3, 1, backendsMax)
    const firstPort = wholeNumber(given, "backend-port", 5453, 1, 65_535 - backendsMax)
    const seed = wholeNumber(given, "seed", seedDefault, 0, Number.MAX_SAFE_INTEGER)
    const base = configOf(given, io)
    if (typeof base === "number") return base
    const config: Config = {
      ...base,
      seed,
      demand: { ...base.demand, mode: "simulation" },
      checks: { ...base.checks, kind: "http", path: "/healthz" },
      response: { ...base.response, backendHeader: true },
    }
    try {
      const balancer = await createBalancer(config, (line) => io.err(`${line}\n`))
      const fleet = new DemonstrationFleet(io)
      const stop = async (): Promise<void> => {
        await fleet.stop()
        await balancer.stop()
      }
      const rng = seeded(seed)
      const announce = `http://${formatEndpoint(balancer.listeners.registration)}`
      for (let i = 0; i < count; i++) {
        const { compute, storage } = drawCapacity(rng)
        fleet.start(`backend-${i + 1}`, [
          `--port=${firstPort + i}`,
          `--capacity=compute=${compute},storage=${storage}`,
          `--announce=${announce}`,
          ...(config.registration.token === undefined ? [] : [`--token=${config.registration.token}`]),
        ])
        // One after the other, so that they are members in the order of their names.
        if (!(await untilReady(() => balancer.state().backends.length > i, fleet))) break
      }
      if (!(await untilReady(() => balancer.state().totals.eligible >= count, fleet))) {
        await stop()
        io.err(`linebacker demo: a backend did not start, see above; other ports with --backend-port\n`)
        return 1
      }
      io.out(welcome(balancer, seed))
      await untilSignal(io, stop)
      io.out("stopped\n")
      return 0
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      io.err(`linebacker demo: ${explainStartError(error)}\n`)
      return 1
    }
  },
}

function welcome(balancer: Balancer, seed: number): string {
  const { traffic, admin, registration } = balancer.listeners
  const { backends } = balancer.state()
  const host = traffic.host === "" ? "localhost" : traffic.host
  const rows = backends.map(
    ({ id, address, capacity }) =>
      `  ${id}      http://${address}/   compute ${capacity["compute"]}, storage ${capacity["storage"]}`,
  )
  return `
Linebacker is running (seed ${seed}).

  traffic        http://${formatEndpoint({ host, port: traffic.port })}/   every request goes where it fits
  page           http://${formatEndpoint(admin)}/   watch the load on all backends
  registration   http://${formatEndpoint(registration)}/   backends announce themselves here
${rows.join("\n")}

Try:
  curl -i http://${formatEndpoint({ host, port: traffic.port })}/
  seq 300 | xargs -P 16 -I{} curl -s -o /dev/null http://${formatEndpoint({ host, port: traffic.port })}/
  ./bin/linebacker backend --port ${nextPort(backends)} --announce http://${formatEndpoint(registration)}   # one more backend

Ctrl-C ends all of it.
`
}

function nextPort(backends: readonly { readonly address: string }[]): number {
  return Math.max(...backends.map(({ address }) => Number(address.slice(address.lastIndexOf(":") + 1)))) + 1
}

function wholeNumber(given: Given, flag: string, fallback: number, min: number, max: number): number {
  const value = text(given, flag)
  if (value === undefined) return fallback
  const number = Number(value)
  if (/^[0-9]+$/.test(value) && number >= min && number <= max) return number
  throw new UsageError(`--${flag}: expected a whole number from ${min} to ${max}, found "${value}"`)
}
