import { hostname } from "node:os"
import { type DemonstrationBackend, startDemonstrationBackend } from "../live/demonstration-backend.ts"
import { parseBackendId } from "../core/backend.ts"
import { formatEndpoint, parseEndpoint } from "../core/endpoint.ts"
import type { NamedAmounts } from "../core/resources.ts"
import { type Rng, seeded } from "../core/rng.ts"
import { systemRng } from "../system.ts"
import { type Command, type ExitCode, type Given, text, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { integerOf, numberOf } from "./numbers.ts"
import { stopAsked } from "./signals.ts"

/** The seed's backends: compute is always this much, storage uniform on 1..40. */
const computeDefault = 20
const storageMax = 40

export const backend: Command = {
  name: "backend",
  usage: "--port 5453 [--announce http://127.0.0.1:9797] [--capacity compute=20,storage=13]",
  positionalsMax: 0,
  options: {
    port: {
      type: "string",
      short: "p",
      value: "PORT",
      about: "The address that it listens on, PORT or HOST:PORT. Default 5453.",
    },
    announce: {
      type: "string",
      value: "URL",
      about: "The balancer's registration listener. Without it, the backend announces itself nowhere.",
    },
    capacity: {
      type: "string",
      value: "AMOUNTS",
      about: `Its capacity: compute=20,storage=13. Default: compute ${computeDefault}, storage drawn from 1 to ${storageMax}.`,
    },
    lane: {
      type: "string",
      value: "AMOUNTS",
      about: "The most of a resource that one request can use per second: compute=1. Default: no bound.",
    },
    discipline: {
      type: "string",
      value: "HOW",
      about:
        "sharing: work on all requests at once; fifo: on one per lane, in order of arrival. Default sharing.",
    },
    registers: {
      type: "string",
      value: "AMOUNTS",
      about: "The capacity that it announces, if other than its own.",
    },
    weight: { type: "string", value: "N", about: "The weight that it announces." },
    zone: { type: "string", value: "NAME", about: "The zone that it announces." },
    tier: { type: "string", value: "N", about: "The label tier that it announces." },
    spaces: {
      type: "string",
      value: "NAMES",
      about: "Resources that requests hold and do not work on: memory,kv-cache.",
    },
    reports: {
      type: "string",
      value: "WHAT",
      about:
        "The load reports in its responses: costs (with utilization), utilization or none. Default costs.",
    },
    id: { type: "string", value: "ID", about: "Its name. Default: the host's name and the port." },
    speed: {
      type: "string",
      value: "FACTOR",
      about: "It works so many times as fast as its capacity says. Default 50.",
    },
    seed: { type: "string", value: "N", about: "Makes the drawn storage repeatable." },
    token: {
      type: "string",
      value: "TOKEN",
      about: "What the registration listener asks for; also from LINEBACKER_TOKEN.",
    },
  },
  async run(given, io) {
    // Before it says that it listens, so that a stop from then on is an orderly one.
    const asked = stopAsked(io)
    const running = await startBackend(given, io)
    if (typeof running === "number") return running
    await asked
    await running.shutdown()
    return 0
  },
}

/**
 * Starts a backend as its options say; returns the exit code, with a line that says why, when it cannot listen.
 *
 * @throws UsageError for an option that it cannot read.
 */
export async function startBackend(given: Given, io: Io): Promise<DemonstrationBackend | ExitCode> {
  const portText = text(given, "port") ?? "5453"
  const endpoint = parseEndpoint(portText)
  if (endpoint === undefined) throw new UsageError(`--port: expected PORT or HOST:PORT, found "${portText}"`)
  const id = text(given, "id") ?? `${hostname()}-${endpoint.port}`.replace(/[^A-Za-z0-9._:-]/g, "-")
  if (parseBackendId(id) === undefined) {
    throw new UsageError(`--id: expected 1 to 128 of A-Z a-z 0-9 . _ : -, found "${id}"`)
  }
  const balancer = text(given, "announce")
  if (balancer !== undefined && !/^https?:$/.test(URL.parse(balancer)?.protocol ?? "")) {
    throw new UsageError(`--announce: expected a URL like http://127.0.0.1:9797, found "${balancer}"`)
  }
  const seed = integerOf(given, "seed", 0, Number.MAX_SAFE_INTEGER)
  const speed = numberOf(given, "speed", { above: 0 })
  const token = text(given, "token") ?? process.env["LINEBACKER_TOKEN"]
  const capacityText = text(given, "capacity")
  const laneText = text(given, "lane")
  const reports = text(given, "reports") ?? "costs"
  if (reports !== "costs" && reports !== "utilization" && reports !== "none") {
    throw new UsageError(`--reports: expected costs, utilization or none, found "${reports}"`)
  }
  const spaces = text(given, "spaces")?.split(",") ?? []
  const discipline = text(given, "discipline") ?? "sharing"
  if (discipline !== "sharing" && discipline !== "fifo") {
    throw new UsageError(`--discipline: expected sharing or fifo, found "${discipline}"`)
  }
  const registers = text(given, "registers")
  const weight = numberOf(given, "weight", { above: 0 })
  const zone = text(given, "zone")
  const tier = text(given, "tier")
  try {
    return await startDemonstrationBackend({
      id,
      host: endpoint.host === "" ? "127.0.0.1" : endpoint.host,
      port: endpoint.port,
      capacity:
        capacityText === undefined
          ? drawCapacity(seed === undefined ? systemRng() : seeded(seed))
          : parseAmounts("--capacity", capacityText),
      ...(speed === undefined ? {} : { speed }),
      ...(laneText === undefined ? {} : { lane: parseAmounts("--lane", laneText) }),
      discipline,
      spaces,
      reports,
      ...(registers === undefined ? {} : { registers: parseAmounts("--registers", registers) }),
      log: (line) => io.say(`${line}\n`),
      ...(balancer === undefined
        ? {}
        : {
            announce: {
              balancer,
              ...(token === undefined ? {} : { token }),
              ...(weight === undefined ? {} : { weight }),
              ...(zone === undefined ? {} : { zone }),
              ...(tier === undefined ? {} : { labels: { tier } }),
            },
          }),
    })
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException
    if (code === "EADDRINUSE") {
      io.err(
        `linebacker backend: port ${endpoint.port} is busy: something listens on ${formatEndpoint(endpoint)} already; choose another with --port\n`,
      )
      return 1
    }
    if (syscall === "listen") {
      io.err(
        `linebacker backend: cannot listen on ${formatEndpoint(endpoint)}: ${message}; choose another with --port\n`,
      )
      return 1
    }
    // Of what it is given, only the amounts are not checked above.
    if (error instanceof RangeError) {
      throw new UsageError(
        /^(lane|spaces|registers) /.test(message) ? `--${message}` : `--capacity: ${message}`,
      )
    }
    throw error
  }
}
/** What a backend of the seed's has. */
export function drawCapacity(rng: Rng): NamedAmounts {
  return { compute: computeDefault, storage: 1 + rng.below(storageMax) }
}

/** `compute=20,storage=13` as amounts by name. Throws `UsageError`. */
function parseAmounts(flag: string, given: string): NamedAmounts {
  const amounts: Record<string, number> = {}
  for (const part of given.split(",")) {
    const [, name, amount] = /^\s*([a-z][a-z0-9_-]{0,31})\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*$/.exec(part) ?? []
    if (name === undefined)
      throw new UsageError(`${flag}: expected amounts like compute=20,storage=13, found "${part}"`)
    if (Object.hasOwn(amounts, name)) throw new UsageError(`${flag}: ${name} is given twice`)
    amounts[name] = Number(amount)
  }
  return amounts
}
