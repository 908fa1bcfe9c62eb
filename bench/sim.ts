/**
 * How fast the simulator is: requests per second of CPU time, ten backends of three types, two rates, three classes of
 * requests of 11 ms of work each, at 0.9 of the bound: 7 700 requests per second of virtual time. What is learned is
 * learned once per second of that, so slow requests make learning dear: with 1.1 s of work it costs a hundred times as
 * much each. `npm run bench:sim`, or `… -- price,least-connections` for other policies.
 *
 * CPU time of the whole process, so that neither neighbours on the machine nor a helping thread flatter or harm. The
 * best of several runs in one process: the first teaches the compiler.
 */
import { cpus } from "node:os"
import { fork } from "node:child_process"
import { once } from "node:events"
import { resourcesDefault } from "../src/core/resources.ts"
import { isPolicyName, plainPolicy, type PolicyName } from "../src/policies/index.ts"
import { runScenario } from "../src/sim/run.ts"
import type { BackendGroup, RequestClass, Scenario } from "../src/sim/scenario/scenario.ts"

const requests = 500_000
const rounds = 4

/** Known demand and no reports; then what is learned, and from what. */
const modes = {
  known: { demand: "known", reports: "none" },
  "learned, costs": { demand: "learned", reports: "costs" },
  "learned, utilization": { demand: "learned", reports: "utilization" },
  declared: { demand: "declared", reports: "none" },
} as const
type Mode = keyof typeof modes

function group(name: string, count: number, compute: number, storage: number): BackendGroup {
  return {
    name,
    count,
    capacity: { compute, storage },
    actual: undefined,
    weight: 1,
    zone: undefined,
    tier: 0,
    discipline: "sharing",
    lane: { compute: 1, storage: 1 },
    joinsAtMs: 0,
    leavesAtMs: undefined,
  }
}

function requestClass(name: string, share: number, compute: number, storage: number): RequestClass {
  return {
    name,
    share,
    demand: {
      compute: { kind: "exponential", mean: compute },
      storage: { kind: "exponential", mean: storage },
    },
    holdMs: undefined,
    declaredError: 0,
    declaredBias: 1,
  }
}

function scenarioOf(mode: Mode): Scenario {
  return {
    name: "bench",
    summary: "Ten backends of three types.",
    resources: resourcesDefault,
    backends: [group("compute", 3, 8, 2), group("middle", 4, 4, 4), group("storage", 3, 2, 8)],
    classes: [
      requestClass("computing", 0.4, 0.01, 0.001),
      requestClass("storing", 0.4, 0.001, 0.01),
      requestClass("both", 0.2, 0.005, 0.005),
    ],
    arrivals: { kind: "poisson" },
    faults: [],
    balancers: 1,
    knowledge: { ...modes[mode], reportEveryMs: 1_000, reportDelayMs: 0 },
    requests,
    warmUp: 0.25,
    loads: [0.9],
  }
}

/** Requests per second of CPU time, the best of the rounds. */
function measure(policy: PolicyName, mode: Mode): number {
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    // 46 of each rate, and each request needs 0.0054 of each.
    runScenario({
      scenario: scenarioOf(mode),
      policy: plainPolicy(policy),
      load: 0.9,
      thetaStar: 46 / 0.0054,
      seed: 1,
    })
    const { system, user } = process.cpuUsage(before)
    best = Math.max(best, (requests / (system + user)) * 1e6)
  }
  return best
}

/** In a process of its own: what one teaches the compiler must not slow the next. */
async function inOwnProcess(policy: PolicyName, mode: Mode): Promise<number> {
  const child = fork(import.meta.filename, [policy, mode], { execArgv: process.execArgv })
  const [found] = (await once(child, "message")) as [number]
  return found
}

async function main(): Promise<void> {
  const names = (process.argv[2] ?? "price,least-connections,round-robin").split(",")
  const wrong = names.find((name) => !isPolicyName(name))
  if (wrong !== undefined) throw new Error(`there is no policy ${wrong}`)
  console.log(`simulated requests per second of CPU time; Node ${process.version}, ${cpus()[0]?.model ?? ""}`)
  for (const name of names as PolicyName[]) {
    for (const mode of Object.keys(modes) as Mode[]) {
      const perSecond = await inOwnProcess(name, mode)
      console.log(`${name.padEnd(20)} ${mode.padEnd(22)} ${Math.round(perSecond / 1_000)} k`)
    }
  }
}

if (process.send === undefined) await main()
else process.send(measure(process.argv[2] as PolicyName, process.argv[3] as Mode))
