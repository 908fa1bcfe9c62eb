/**
 * How everything is, in one sentence for a person, worst first. Pure: what is judged is given.
 *
 * Words change only when something does, in coarse steps, because a screen reader announces them.
 */
import type { BackendView, StateView, Trouble, Verdict } from "./state-view.ts"

/** What came of late, as `Recent` counts it. */
export interface RecentTraffic {
  readonly requests: number
  /** Errors of the balancer's own and of backends, by code; those that clients are to blame for left out. */
  readonly errors: Readonly<Record<string, number>>
  readonly backends: Readonly<
    Record<string, { readonly requests: number; readonly failures: number } | undefined>
  >
}

export interface Judged {
  readonly backends: readonly BackendView[]
  readonly resources: StateView["resources"]
  readonly eligible: number
  readonly workers: number
  /** How many data-plane threads there ought to be. */
  readonly workersWanted: number
  readonly isStopping: boolean
  /** What went wrong in the balancer itself within about the last minute. */
  readonly recentFaults: {
    readonly bug: boolean
    readonly threadDied: boolean
    readonly threadStill: boolean
  }
  readonly traffic: RecentTraffic
  /** Ids of backends that took traffic and have gone without leaving in order. */
  readonly lost: readonly string[]
  readonly sources: StateView["sources"]
}

/** Parts of the traffic from which a trouble is worth a word, and from which it is bad. */
const warnPart = 0.005
const badPart = 0.05
/** From here on a part counts as the whole. */
const nearlyAll = 0.98
/** Fewer requests of late than this say nothing about parts of them. */
const requestsMin = 5
/** The part of one backend's requests from which its failures are worth a word. */
const failingPart = 0.1
/** From this penalty on a backend gets almost no traffic. */
const shunnedFrom = 4
/** Backlog that is worth a word, and that is bad, seconds. */
const backlogWarnS = 5
const backlogBadS = 15
/**
 * From this many times as long as the work takes, requests that stay are streams or long polls, and wait for nothing.
 */
const stayTimesMax = 3
/** The part of the fleet whose loss is bad. */
const lostBadPart = 0.3
/** The longest quotation of a reason, in characters. */
const reasonCharactersMax = 160

/** The verdict on the whole. */
export function judge(judged: Judged): Verdict {
  const troubles = [
    ...balancerTroubles(judged),
    ...fleetTroubles(judged),
    ...errorTroubles(judged),
    ...failingTroubles(judged),
    ...lostTroubles(judged),
    ...sourceTroubles(judged),
    ...backlogTroubles(judged),
    ...memberTroubles(judged),
  ]
  // The sort is stable: within a tone the order above stands.
  troubles.sort((a, b) => Number(a.tone === "warn") - Number(b.tone === "warn"))
  const [worst] = troubles
  if (worst !== undefined) return { ...worst, troubles }
  const { backends, eligible } = judged
  if (backends.length === 0) return { tone: "empty", words: "No backend yet", troubles }
  const excused = byGravity(backends.filter(isExpectedOut))
  const note = excused.length === 0 ? "" : `; ${excuse(excused)}`
  return { tone: "good", words: `Healthy: ${shareOfFleet(eligible, backends.length)}${note}`, troubles }
}

function balancerTroubles({ workers, workersWanted, isStopping, recentFaults }: Judged): Trouble[] {
  if (isStopping) return [{ tone: "bad", words: "The balancer is stopping: it finishes what runs" }]
  if (workers === 0)
    return [{ tone: "bad", words: "The balancer takes no traffic: no data-plane thread runs" }]
  const troubles: Trouble[] = []
  if (workers < workersWanted) {
    troubles.push({ tone: "bad", words: `Only ${workers} of ${workersWanted} data-plane threads run` })
  }
  const { threadDied, threadStill, bug } = recentFaults
  if (threadDied || threadStill) {
    const what = threadDied ? "died" : "stood still"
    troubles.push({ tone: "warn", words: `A data-plane thread ${what} and was replaced; see the log` })
  }
  if (bug) troubles.push({ tone: "warn", words: "The balancer had an internal error; see the log" })
  return troubles
}

/** Nothing is there that could take traffic. */
function fleetTroubles({ backends, eligible, lost }: Judged): Trouble[] {
  if (eligible > 0) return []
  if (backends.length === 0) {
    if (lost.length === 0) return []
    return [{ tone: "bad", words: `No backend is left: ${named(lost)} ${hasGone(lost.length)}` }]
  }
  const why = excuse(byGravity(backends))
  return [
    { tone: "bad", words: `None of ${fleet(backends.length)} takes traffic${why === "" ? "" : `: ${why}`}` },
  ]
}

/** Requests that got no response from a backend. */
function errorTroubles({ traffic: { errors, requests } }: Judged): Trouble[] {
  const all = Object.values(errors).reduce((sum, count) => sum + count, 0)
  const part = partOf(all, Math.max(requests, all))
  if (part === undefined) return []
  const [code] = Object.entries(errors).sort(([, a], [, b]) => b - a)[0]!
  const words = `${percentWords(part)} of requests get no response from a backend, most for ${code}`
  return [{ tone: part >= badPart ? "bad" : "warn", words }]
}

/** Backends whose responses are 5xx, or that break off. */
function failingTroubles(judged: Judged): Trouble[] {
  const { backends, traffic } = judged
  const failing = backends.flatMap(({ id }) => {
    const { requests = 0, failures = 0 } = traffic.backends[id] ?? {}
    const part = partOf(failures, Math.max(requests, failures))
    return part === undefined || part < failingPart ? [] : [{ id, part, failures }]
  })
  if (failing.length === 0) return shunnedTroubles(judged)
  failing.sort((a, b) => b.failures - a.failures)
  const { id, part } = failing[0]!
  const all = failing.reduce((sum, { failures }) => sum + failures, 0)
  const ofTraffic = partOf(all, Math.max(traffic.requests, all)) ?? 0
  const more =
    failing.length === 1 ? "" : `, and ${failing.length - 1} more fail${failing.length === 2 ? "s" : ""}`
  const hurt =
    ofTraffic >= badPart
      ? `: ${ofTraffic > nearlyAll ? "" : `${percentWords(ofTraffic)} of `}all traffic`
      : ""
  const words = `${id} fails ${part > nearlyAll ? "every request" : `${percentWords(part)} of its requests`}${more}${hurt}`
  return [{ tone: ofTraffic >= badPart ? "bad" : "warn", words }]
}

/** Backends that fail, and therefore get too little traffic to count failures of late. */
function shunnedTroubles({ backends }: Judged): Trouble[] {
  const shunned = backends.filter(({ penalty, state }) => penalty >= shunnedFrom && state === "serving")
  if (shunned.length === 0) return []
  const words = `${named(shunned.map(({ id }) => id))} ${shunned.length === 1 ? "gets" : "get"} next to no traffic, because requests there fail`
  return [{ tone: shunned.length / backends.length >= lostBadPart ? "bad" : "warn", words }]
}

function lostTroubles({ backends, lost, eligible }: Judged): Trouble[] {
  if (lost.length === 0 || eligible === 0) return []
  const all = backends.length + lost.length
  const words = `${count(lost.length)} of ${fleet(all)} ${hasGone(lost.length)} without leaving in order: ${named(lost)}`
  return [{ tone: lost.length / all >= lostBadPart ? "bad" : "warn", words }]
}

/** What finds backends, and fails: those that it had found stay. */
function sourceTroubles({ sources }: Judged): Trouble[] {
  const [first, ...rest] = sources.flatMap(({ problems }) => problems)
  if (first === undefined) return []
  const more = rest.length === 0 ? "" : `, and ${count(rest.length)} more`
  return [{ tone: "warn", words: `A source of backends has a problem: ${clause(first)}${more}` }]
}

/**
 * Work that waits. Backlog in units of capacity is seconds only where capacities are true, and by Little's law requests
 * in flight over those that end are how long each stays. Both have to be long, and to agree: a backend that has work
 * waiting does it at its capacity, and one that holds streams or long polls ends far fewer requests than it could.
 */
function backlogTroubles({ backends, resources }: Judged): Trouble[] {
  let worst: { readonly id: string; readonly seconds: number } | undefined
  for (const { id, reserved, capacityCorrected, inFlight, requestsPerSecond } of backends) {
    const stay = inFlight === 0 ? 0 : inFlight / Math.max(requestsPerSecond, 0.1)
    const work = resources
      .filter(({ kind }) => kind === "rate")
      .map(({ name }) => (reserved[name] ?? 0) / (capacityCorrected[name] ?? Infinity))
    const longest = Math.max(0, ...work.filter((each) => Number.isFinite(each)))
    const backlog = stay > stayTimesMax * longest ? 0 : Math.min(stay, longest)
    if (backlog >= backlogWarnS && backlog > (worst?.seconds ?? 0)) worst = { id, seconds: backlog }
  }
  if (worst === undefined) return []
  const words = `More than ${step(worst.seconds, [5, 10, 15, 20, 30, 60, 120, 300])} s of work waits at ${worst.id}`
  return [{ tone: worst.seconds >= backlogBadS ? "bad" : "warn", words }]
}

/** Members that take no traffic although they were not asked to stop. */
function memberTroubles({ backends, eligible }: Judged): Trouble[] {
  const out = byGravity(backends).filter((backend) => !isExpectedOut(backend))
  if (out.length === 0 || eligible === 0) return []
  const words = `${shareOfFleet(eligible, backends.length)}: ${excuse(byGravity(backends))}`
  return [{ tone: out.length / backends.length >= 0.5 ? "bad" : "warn", words }]
}

/** It was asked to stop, or has just come and no check has failed. */
function isExpectedOut({ state, check }: BackendView): boolean {
  return state === "draining" || (state === "probing" && check.lastPassed !== false)
}

/** Which state is told first. */
const gravity: Readonly<Record<BackendView["state"], number>> = {
  ejected: 0,
  suspect: 1,
  probing: 2,
  draining: 3,
  serving: 4,
}

function byGravity(backends: readonly BackendView[]): BackendView[] {
  return backends
    .filter(({ state }) => state !== "serving")
    .sort((a, b) => gravity[a.state] - gravity[b.state])
}

function excuse([first, ...rest]: readonly BackendView[]): string {
  if (first === undefined) return ""
  const reason = clause(first.reason)
  const more =
    rest.length === 0 ? "" : `, and ${count(rest.length)} more ${rest.length === 1 ? "is" : "are"} out`
  return `${first.id} is ${first.state}${reason === "" ? "" : `: ${reason}`}${more}`
}

/** A sentence as a part of another: without its full stop, and small unless it starts with an abbreviation. */
function clause(sentence: string): string {
  const text = sentence.trim().replace(/\.+$/, "")
  const cut = text.length > reasonCharactersMax ? `${text.slice(0, reasonCharactersMax - 1)}…` : text
  return /^[A-Z][a-z ]/.test(cut) ? cut.charAt(0).toLowerCase() + cut.slice(1) : cut
}

/** The part, where there is enough to speak of it. */
function partOf(some: number, all: number): number | undefined {
  if (some < 1 || all < requestsMin) return undefined
  const part = some / all
  return part < warnPart ? undefined : part
}

/** In steps, so that the words stand still while the number does not. */
function percentWords(part: number): string {
  if (part > nearlyAll) return "All"
  if (part < 0.01) return "Nearly 1 %"
  return `${step(part * 100, [1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90])} % or more`
}

/** The largest of the ascending steps that is not above the value; the first when all are. */
function step(value: number, steps: readonly number[]): number {
  return steps.findLast((each) => each <= value) ?? steps[0]!
}

function shareOfFleet(eligible: number, backends: number): string {
  return `${count(eligible)} of ${fleet(backends)} ${eligible === 1 ? "takes" : "take"} traffic`
}

function hasGone(backends: number): string {
  return backends === 1 ? "has gone" : "have gone"
}

function named([first, ...rest]: readonly string[]): string {
  return rest.length === 0 ? first! : `${first!} and ${count(rest.length)} more`
}

function fleet(backends: number): string {
  return `${count(backends)} ${backends === 1 ? "backend" : "backends"}`
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

function count(value: number): string {
  return whole.format(value)
}
