import { availableParallelism } from "node:os"
import type { Millis } from "../core/clock.ts"
import { formatDuration } from "../text/duration.ts"
import { readTextFile } from "../config/config-file.ts"
import { formatProblem } from "../text/problem.ts"
import { type Expectation, parseExpectations, shownVerdict, verdictsOf } from "../load/expect.ts"
import { mixJsonSchema, ownFields, readMix } from "../load/mix-file.ts"
import type { SpamPlan, SpamProgress } from "../load/plan.ts"
import { parseTarget, preflight } from "../load/preflight.ts"
import { parseRate, ratePerSecondMax } from "../load/rate.ts"
import { recordedList } from "../load/recorded-list.ts"
import { spamFiles } from "../load/spam-page.ts"
import type { RequestTrace } from "../sim/scenario/trace.ts"
import { traceOf } from "./sim-source.ts"
import type { RequestTemplate } from "../load/requests.ts"
import { Schedule } from "../load/schedule.ts"
import { startSpam } from "../load/spam.ts"
import { summaryText } from "../load/summary.ts"
import { systemRng } from "../system.ts"
import { canWriteReport, writeReport } from "./report-folder.ts"
import { onStop } from "./signals.ts"
import { ratePerCore, speedMax } from "../live/pace.ts"
import { loadDefault, loadsDefault, runScenarioLive } from "./spam-scenario.ts"
import { type Command, type ExitCode, type Given, text, texts, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { durationOf, integerOf, numberOf } from "./numbers.ts"

const durationDefaultMs = 10_000
const timeoutDefaultMs = 10_000
const connectionsClosed = 64
const connectionsOpen = 1_000
const connectionsMax = 1_000_000
const waitingMax = 1_000_000
/** Slices of the time series, at most so many. */
const slicesMax = 120

export const spam: Command = {
  name: "spam",
  usage:
    "URL [--rate R | --connections C] [--duration 30s] [--json] [--expect 'p99<50ms,errors<0.1%']\n" +
    "       linebacker spam --scenario NAME|FILE [--policy NAME | --compare a,b] [--load 0.5,0.9] [--report DIR]",
  positionalsMax: 1,
  options: {
    rate: {
      type: "string",
      value: "R",
      about:
        "Open loop: requests per second, or steps and ramps: 100/10s,100-500/30s. Without it a closed loop.",
    },
    poisson: { type: "boolean", about: "Open loop: independent arrivals instead of even ones." },
    connections: {
      type: "string",
      short: "c",
      value: "C",
      about: `Connections: all at once in a closed loop (default ${connectionsClosed}), at most in an open one (default ${connectionsOpen}).`,
    },
    requests: {
      type: "string",
      short: "n",
      value: "N",
      about: "End the run after so many requests.",
    },
    duration: {
      type: "string",
      short: "d",
      value: "TIME",
      about: `The length of the run. Default ${formatDuration(durationDefaultMs)}.`,
    },
    "warm-up": { type: "string", value: "TIME", about: "Time at the start that is not counted. Default 0s." },
    timeout: {
      type: "string",
      value: "TIME",
      about: `The longest that one request may take. Default ${formatDuration(timeoutDefaultMs)}.`,
    },
    mix: { type: "string", value: "FILE", about: "A YAML file with several kinds of requests." },
    method: {
      type: "string",
      short: "X",
      value: "METHOD",
      about: "The method of every request. Default GET.",
    },
    header: {
      type: "string",
      short: "H",
      multiple: true,
      value: "'NAME: VALUE'",
      about: "A field of every request; may be given several times.",
    },
    body: { type: "string", value: "TEXT", about: "The body of every request." },
    threads: { type: "string", value: "N", about: "How many threads send. Default 1." },
    trace: {
      type: "string",
      value: "FILE",
      about:
        "Send at the times of recorded requests, scaled so that --rate is the mean; unscaled without --rate.",
    },
    seed: { type: "string", value: "N", about: "Makes the run repeatable; printed with every result." },
    insecure: { type: "boolean", about: "Accept any certificate." },
    "no-spin": {
      type: "boolean",
      about: "Open loop: sleep between requests, at the price of up to 2 ms of lateness.",
    },
    expect: {
      type: "string",
      value: "WHAT",
      about: "Exit with code 1 unless all of these hold: p99<50ms,errors<0.1%.",
    },
    scenario: {
      type: "string",
      value: "NAME|FILE",
      about:
        "Instead of a URL: play a scenario with one process per backend, and compare with the simulator.",
    },
    compare: {
      type: "string",
      value: "POLICIES",
      about:
        "With a scenario (default dozen): play it with each of these policies in turn: price,least-connections.",
    },
    policy: {
      type: "string",
      value: "NAME",
      about: "With a scenario: how a backend is chosen. Default auto.",
    },
    load: {
      type: "string",
      value: "LOADS",
      about:
        `With a scenario: loads, as shares of the most that any policy can carry. Default ${loadDefault}, ` +
        `with --compare ${loadsDefault[0]} to ${loadsDefault.at(-1)}.`,
    },
    speed: {
      type: "string",
      value: "FACTOR",
      about:
        `With a scenario: how many of its seconds pass per real second. Default: ${ratePerCore} requests/s per core at load 1, ` +
        `at most ${speedMax}.`,
    },
    json: { type: "boolean", about: "Print the result as JSON." },
    report: { type: "string", value: "DIR", about: "Write a page with figures there, and the numbers." },
    schema: { type: "boolean", about: "Print the JSON Schema of a mix file, for editors." },
  },
  async run(given, io) {
    if (given.values["schema"] === true) {
      io.out(`${JSON.stringify(mixJsonSchema(), undefined, 2)}\n`)
      return 0
    }
    const url = given.positionals[0]
    if (text(given, "scenario") !== undefined || text(given, "compare") !== undefined) {
      refuse(
        given,
        Object.keys(spam.options).filter((flag) => !scenarioFlags.includes(flag)),
        "--scenario",
      )
      if (url !== undefined)
        throw new UsageError(`a scenario brings its own target; "${url}" is one too many`)
      return runScenarioLive(given, io)
    }
    refuse(given, ["policy", "load", "speed"], undefined)
    if (url === undefined) throw new UsageError("which URL?")
    const expectations = expectationsOf(given)
    const parsed = parseTarget(url, given.values["insecure"] !== true)
    if (!parsed.ok) throw new UsageError(parsed.error)
    const { target, host, path } = parsed.value
    const classes = classesOf(given, io, path)
    if (typeof classes === "number") return classes
    const trace = await recordedOf(given, io)
    if (typeof trace === "number") return trace
    const plan = planOf(given, { target, host, classes }, trace)
    const folder = text(given, "report")
    if (folder !== undefined && !canWriteReport("spam", folder, io)) return 1
    const reached = await preflight(target, plan.timeoutMs)
    if (!reached.ok) {
      io.err(`linebacker spam: ${reached.error}\n`)
      return 1
    }
    return play({ ...plan, target: reached.value }, url, expectations, given, io)
  },
}

/** Options that a scenario takes; all others are of a plain load. */
const scenarioFlags: readonly string[] = [
  "scenario",
  "compare",
  "policy",
  "load",
  "speed",
  "duration",
  "requests",
  "seed",
  "trace",
  "json",
  "report",
]

/** Flags that mean nothing beside a scenario, or without one. */
function refuse(given: Given, flags: readonly string[], beside: "--scenario" | undefined): void {
  for (const flag of flags) {
    if (given.values[flag] === undefined) continue
    throw new UsageError(
      beside === undefined ? `--${flag}: only with --scenario` : `--${flag}: means nothing beside ${beside}`,
    )
  }
}

/** Runs the plan to its end, with a line of progress on a terminal, and prints what came of it. */
async function play(
  plan: SpamPlan,
  url: string,
  expectations: readonly Expectation[],
  given: Given,
  io: Io,
): Promise<ExitCode> {
  const shows = process.stderr.isTTY && given.values["json"] !== true
  const run = startSpam(plan, url, (progress) => {
    if (shows) io.err(`\r${progressLine(progress, plan)}`)
  })
  const isOver = onStop(io, () => run.stop(), {
    stopping: "stopping: what was sent so far is summed up; once more to end at once",
  })
  const result = await run.result.finally(isOver)
  if (shows) io.err(`\r${" ".repeat(78)}\r`)
  const verdicts = verdictsOf(expectations, result)
  if (given.values["json"] === true) {
    const expected = verdicts.map(({ expectation, actual, holds }) => ({
      text: expectation.text,
      actual,
      holds,
    }))
    io.out(`${JSON.stringify({ ...result, expected }, undefined, 2)}\n`)
  } else {
    io.out(summaryText(result))
    for (const verdict of verdicts) io.out(`${shownVerdict(verdict)}\n`)
  }
  const folder = text(given, "report")
  if (folder !== undefined) {
    const files = spamFiles(result, verdicts.map(shownVerdict))
    if (!writeReport("spam", folder, files, io)) return 1
  }
  return verdicts.every(({ holds }) => holds) ? 0 : 1
}

function progressLine({ sent, answered, failed, pending }: SpamProgress, plan: SpamPlan): string {
  const asked = plan.load.kind === "open" ? "open loop" : "closed loop"
  return `${asked}: ${sent} sent, ${answered} with a response, ${failed} failed, ${pending} under way`.padEnd(
    78,
  )
}

function expectationsOf(given: Given): readonly Expectation[] {
  const written = text(given, "expect")
  if (written === undefined) return []
  const expectations = parseExpectations(written)
  if (!expectations.ok) throw new UsageError(`--expect: ${expectations.error}`)
  return expectations.value
}

function classesOf(given: Given, io: Io, path: string): readonly RequestTemplate[] | ExitCode {
  const file = text(given, "mix")
  const single = ["method", "header", "body"].filter((flag) => given.values[flag] !== undefined)
  if (file === undefined) return [singleClass(given, path)]
  if (single.length > 0) throw new UsageError(`--${single[0]}: the requests are those of --mix ${file}`)
  const read = readTextFile(file)
  if (!read.ok) {
    io.err(`linebacker spam: ${file} cannot be read: ${read.error}\n`)
    return 1
  }
  const mix = readMix(file, read.value)
  if (mix.ok) return mix.value
  for (const problem of mix.error) io.err(`${formatProblem(problem)}\n`)
  return 1
}

function singleClass(given: Given, path: string): RequestTemplate {
  const fields = texts(given, "header").map((header): [string, string] => {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\t\x20-\x7e\x80-\xff]*)$/.exec(header) ?? []
    if (name === undefined) throw new UsageError(`--header: expected 'NAME: VALUE', found "${header}"`)
    if (ownFields.includes(name.toLowerCase())) {
      throw new UsageError(`--header: ${name} is the generator's own to write`)
    }
    return [name, value ?? ""]
  })
  const method = text(given, "method") ?? "GET"
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(method)) {
    throw new UsageError(`--method: expected a method like GET, found "${method}"`)
  }
  const body = text(given, "body")
  return {
    name: `${method} ${path}`,
    method,
    path,
    fields,
    body: body === undefined ? undefined : Buffer.from(body, "utf8"),
    weight: 1,
  }
}

/** When recorded requests came; undefined without `--trace`. */
async function recordedOf(given: Given, io: Io): Promise<RequestTrace | undefined | ExitCode> {
  const file = text(given, "trace")
  if (file === undefined) return undefined
  if (given.values["poisson"] === true) throw new UsageError("--poisson: --trace says when requests are due")
  const trace = await traceOf(file, io)
  if (typeof trace === "number") return trace
  if (trace.kind === "requests") return trace
  throw new UsageError(`--trace: "${file}" is a recording of machines, not of requests`)
}

/** What sets the pace, and for how long: a list of what was recorded, a rate, or nothing but the target. */
interface Pace {
  readonly load: SpamPlan["load"]
  readonly durationMs: Millis
}

function planOf(
  given: Given,
  about: Pick<SpamPlan, "target" | "host" | "classes">,
  trace: RequestTrace | undefined,
): SpamPlan {
  const seed = integerOf(given, "seed", 0, Number.MAX_SAFE_INTEGER) ?? systemRng().below(2 ** 31)
  const { load, durationMs } =
    trace === undefined ? paceOf(given) : recordedPaceOf(given, trace, about.classes, seed)
  const warmUpMs = durationOf(given, "warm-up", 0) ?? 0
  if (warmUpMs >= durationMs)
    throw new UsageError(`--warm-up: nothing is left of ${durationMs} ms to be counted`)
  const threads = integerOf(given, "threads", 1, Math.max(16, availableParallelism())) ?? 1
  const connections =
    integerOf(given, "connections", 1, connectionsMax) ??
    (load.kind === "closed" ? connectionsClosed : connectionsOpen)
  if (connections < threads)
    throw new UsageError(`--connections: at least one for each of ${threads} threads`)
  return {
    ...about,
    load,
    connections,
    threads,
    durationMs,
    requestsMax: integerOf(given, "requests", 1, Number.MAX_SAFE_INTEGER) ?? Infinity,
    warmUpMs,
    timeoutMs: durationOf(given, "timeout", 1) ?? timeoutDefaultMs,
    failedFrom: Infinity,
    seed,
    spins: given.values["no-spin"] !== true,
    sliceMs: Math.max(1_000, Math.ceil((durationMs - warmUpMs) / slicesMax)),
  }
}

function paceOf(given: Given): Pace {
  const asked = text(given, "rate")
  const durationMs = durationOf(given, "duration", 1) ?? durationDefaultMs
  if (asked === undefined) {
    for (const flag of ["poisson", "no-spin"]) {
      if (given.values[flag] === true) throw new UsageError(`--${flag}: only with --rate`)
    }
    return { load: { kind: "closed" }, durationMs }
  }
  const phases = parseRate(asked, durationMs)
  if (!phases.ok) throw new UsageError(`--rate: ${phases.error}`)
  const arrivals = given.values["poisson"] === true ? "poisson" : "constant"
  return {
    load: { kind: "open", phases: phases.value, arrivals, waitingMax },
    durationMs: Schedule.lengthOf(phases.value),
  }
}

function recordedPaceOf(
  given: Given,
  trace: RequestTrace,
  classes: readonly RequestTemplate[],
  seed: number,
): Pace {
  const rate = numberOf(given, "rate", { above: 0, to: ratePerSecondMax })
  const list = recordedList(trace, classes, rate, seed)
  return {
    load: { kind: "listed", list, waitingMax },
    durationMs: durationOf(given, "duration", 1) ?? list.atMs.at(-1)! + 1,
  }
}
