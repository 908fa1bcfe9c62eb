/** The command line of the benchmark. */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"

export interface BenchOptions {
  /** Names of scenarios; undefined is all of them. */
  readonly only: readonly string[] | undefined
  /** Numbers of connections to measure instead of the scenario's own. */
  readonly connections: readonly number[] | undefined
  readonly peers: readonly string[]
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly idleConnections: number
  readonly modules: string
  readonly nodeFlags: readonly string[]
  readonly json: string | undefined
  readonly markdown: string | undefined
  readonly balancerCores: string
  readonly loadCores: string
}

const cores = availableParallelism()

const flags = {
  only: { type: "string" },
  connections: { type: "string" },
  peers: { type: "string", default: "nginx,haproxy,caddy,http-proxy,node:http+undici,linebacker,pipelining" },
  rounds: { type: "string", default: "5" },
  seconds: { type: "string", default: "3" },
  "warm-up": { type: "string", default: "2" },
  idle: { type: "string", default: "10000" },
  modules: { type: "string", default: process.env["BENCH_MODULES"] ?? "/tmp/linebacker-peers" },
  "node-flags": { type: "string", default: "" },
  json: { type: "string" },
  markdown: { type: "string" },
  "balancer-cores": { type: "string", default: "0" },
  "load-cores": { type: "string", default: cores > 2 ? `1-${cores - 1}` : "1" },
  help: { type: "boolean", short: "h", default: false },
} as const

export const help = `npm run bench -- [options]

  --only NAMES         scenarios, by comma; also syscalls, idle and head
  --connections N,N    instead of the scenario's own
  --peers NAMES        ${flags.peers.default}
                       pipelining is linebacker with limits.pipelinedMax: 16
                       linebacker@FOLDER is another checkout, to compare with
  --rounds N           measurements of each peer, taken in turn (${flags.rounds.default})
  --seconds N          of each measurement (${flags.seconds.default})
  --warm-up N          seconds of load before the first measurement of a peer, more for few requests (${flags["warm-up"].default})
  --idle N             connections of the scenario idle (${flags.idle.default})
  --modules FOLDER     where http-proxy and undici are installed (BENCH_MODULES)
  --node-flags="..."   flags of Node.js for linebacker (not for linebacker@FOLDER), as --cpu-prof
  --balancer-cores 0   and --load-cores 1: where balancers, and where load and backends run
  --json FILE          all measurements
  --markdown FILE      replaces the tables of what was measured between their markers in this file
`

/** Returns `undefined` when help is asked for; throws a TypeError with a sentence on wrong use. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({ args: [...args], options: flags, allowPositionals: false })
  if (values.help) return undefined
  return {
    only: values.only?.split(","),
    connections: values.connections?.split(",").map((text) => count("connections", text)),
    peers: values.peers.split(","),
    rounds: count("rounds", values.rounds),
    seconds: count("seconds", values.seconds),
    warmUpSeconds: values["warm-up"] === "0" ? 0 : count("warm-up", values["warm-up"]),
    idleConnections: count("idle", values.idle),
    modules: values.modules,
    nodeFlags: values["node-flags"].split(" ").filter((flag) => flag !== ""),
    json: values.json,
    markdown: values.markdown,
    balancerCores: values["balancer-cores"],
    loadCores: values["load-cores"],
  }
}

function count(name: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new TypeError(`--${name} is a whole number from 1; found "${text}"`)
  return Number(text)
}
