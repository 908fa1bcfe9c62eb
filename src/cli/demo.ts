import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"
import { type Balancer, startBalancer, StartError } from "../balancer.ts"
import type { Config } from "../config/config.ts"
import { formatEndpoint } from "../core/endpoint.ts"
import { seeded } from "../core/rng.ts"
import { ratePerSecondMax } from "../load/rate.ts"
import { type SpamRun, startSpam } from "../load/spam.ts"
import { drawCapacity } from "./backend.ts"
import { type Command, type Given, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { balancerOptions, configOf } from "./config-source.ts"
import { DemonstrationFleet, untilReady } from "../live/demonstration-fleet.ts"
import { demoLoad, demoRate, demoRatePerCore } from "../live/pace.ts"
import { integerOf, numberOf } from "./numbers.ts"
import { endBy, outliveBugs } from "./last-resort.ts"
import { explainStartError } from "./start-error.ts"
import { onStop } from "./signals.ts"

/** Draws three fleets that differ visibly; any other whole number does as well. */
const seedDefault = 54
const backendsMax = 64
/** Longer than any demonstration runs; within what a timer can wait. */
const foreverMs = 14 * 24 * 3_600_000

export const demo: Command = {
  name: "demo",
  usage: "[--backends 3] [--seed N] [--spam [--rate R]] [-o :5252] [-i :9797] [-f :9494]",
  positionalsMax: 0,
  options: {
    backends: { type: "string", value: "N", about: "How many backends. Default 3." },
    "backend-port": {
      type: "string",
      value: "PORT",
      about: "The first backend's port; the others follow. Default 5453.",
    },
    spam: { type: "boolean", about: "Also run a load generator, so that the page shows traffic." },
    rate: {
      type: "string",
      value: "R",
      about: `With --spam: requests per second. Default: ${demoLoad * 100} % of what the fleet carries, at most ${demoRatePerCore} per core.`,
    },
    ...balancerOptions,
  },
  async run(given, io) {
    const count = integerOf(given, "backends", 1, backendsMax) ?? 3
    const firstPort = integerOf(given, "backend-port", 1, 65_535 - backendsMax) ?? 5453
    const seed = integerOf(given, "seed", 0, Number.MAX_SAFE_INTEGER) ?? seedDefault
    const spams = given.values["spam"] === true
    const rate = rateOf(given, spams)
    const base = configOf(given, io)
    if (typeof base === "number") return base
    // A person who reads the terminal may change things.
    const token = base.admin.token ?? randomBytes(9).toString("base64url")
    const config: Config = {
      ...base,
      seed,
      admin: { ...base.admin, token },
      demand: { ...base.demand, mode: "simulation" },
      checks: { ...base.checks, kind: "http", path: "/healthz" },
      response: { ...base.response, backendHeader: true },
      // Nothing sends clients here by /readyz.
      timeouts: { ...base.timeouts, unreadyMs: 0 },
    }
    const { promise: asked, resolve: stop } = Promise.withResolvers<void>()
    let isAsked = false
    let balancer: Balancer | undefined
    const onAsked = (): void => {
      isAsked = true
      stop()
    }
    onStop(io, onAsked, { isBlocked: () => balancer?.hasStuckThread === true })
    try {
      balancer = await startBalancer(config, {
        log: (line) => io.err(`${line}\n`),
        linesLost: io.linesLost,
      })
      outliveBugs(balancer)
      const fleet = new DemonstrationFleet(io)
      let load: SpamRun | undefined
      try {
        if (!(await startFleet(fleet, balancer, { count, firstPort, config, isAsked: () => isAsked }))) {
          io.err(`linebacker demo: a backend did not start, see above; other ports with --backend-port\n`)
          return 1
        }
        if (!isAsked) {
          const loadRate = spams
            ? (rate ?? demoRate(balancer.state().backends, availableParallelism()))
            : undefined
          if (loadRate !== undefined) load = startLoad(balancer, loadRate, seed, io)
          io.say(welcome(balancer, seed, loadRate, token))
        }
        await asked
      } finally {
        load?.stop()
        await load?.result.catch(() => {})
        await fleet.stop()
        await balancer.close()
      }
      io.say("stopped\n")
      if (balancer.hasStuckThread) endBy("SIGTERM")
      return 0
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      io.err(`linebacker demo: ${explainStartError(error)}\n`)
      return 1
    }
  },
}

interface FleetPlan {
  readonly count: number
  readonly firstPort: number
  readonly config: Config
  /** It was stopped meanwhile: nothing more is started. */
  readonly isAsked: () => boolean
}

/** Starts the backends; resolves when all serve, or with false when one did not start. */
async function startFleet(
  fleet: DemonstrationFleet,
  balancer: Balancer,
  { count, firstPort, config, isAsked }: FleetPlan,
): Promise<boolean> {
  const rng = seeded(balancer.seed)
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
    if (!(await untilReady(() => isAsked() || balancer.state().backends.length > i, fleet))) return false
    if (isAsked()) return true
  }
  return untilReady(() => isAsked() || balancer.state().totals.eligible >= count, fleet)
}

function rateOf(given: Given, spams: boolean): number | undefined {
  const rate = numberOf(given, "rate", { above: 0, to: ratePerSecondMax })
  if (rate !== undefined && !spams) throw new UsageError("--rate: only with --spam")
  return rate
}

/**
 * Independent requests until it is stopped. It does not spin: a millisecond of lateness is nothing here. When it fails
 * the demonstration goes on without it.
 */
function startLoad(balancer: Balancer, rate: number, seed: number, io: Io): SpamRun {
  const { traffic } = balancer.listeners
  const host = traffic.host === "" ? "127.0.0.1" : traffic.host
  const paths = ["/", "/search", "/upload"]
  const run = startSpam(
    {
      target: { host, address: host, port: traffic.port, secure: false, verify: false },
      host: formatEndpoint({ host, port: traffic.port }),
      classes: paths.map((path) => {
        return { name: path, method: "GET", path, fields: [], body: undefined, weight: 1 }
      }),
      load: {
        kind: "open",
        phases: [{ from: rate, to: rate, ms: foreverMs }],
        arrivals: "poisson",
        waitingMax: 10_000,
      },
      connections: 200,
      threads: 1,
      durationMs: foreverMs,
      requestsMax: Infinity,
      // What it records is not read: it keeps no time series.
      warmUpMs: foreverMs,
      timeoutMs: 60_000,
      failedFrom: Infinity,
      seed,
      spins: false,
      sliceMs: foreverMs,
    },
    "the demonstration",
  )
  run.result.catch((error: unknown) =>
    io.err(
      `the load has ended, the demonstration goes on: ${error instanceof Error ? error.message : String(error)}\n`,
    ),
  )
  return run
}

function welcome(balancer: Balancer, seed: number, rate: number | undefined, token: string): string {
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
${rows.join("\n")}${rate === undefined ? "" : `\n  load           ${rate} requests per second, already under way: watch the page`}

Try:
  curl -i http://${formatEndpoint({ host, port: traffic.port })}/
  seq 300 | xargs -P 16 -I{} curl -s -o /dev/null http://${formatEndpoint({ host, port: traffic.port })}/
  ./bin/linebacker backend --port ${nextPort(backends)} --announce http://${formatEndpoint(registration)}   # one more backend
  curl -d '{"name": "round-robin"}' -H 'Content-Type: application/json' -H 'Authorization: Bearer ${token}' \\
    http://${formatEndpoint(admin)}/api/v1/policy   # another policy; the page takes this token too

Ctrl-C ends all of it.
`
}

function nextPort(backends: readonly { readonly address: string }[]): number {
  return Math.max(...backends.map(({ address }) => Number(address.slice(address.lastIndexOf(":") + 1)))) + 1
}
