/** Reads what `wrk --latency` prints. */

export interface WrkResult {
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** What makes the figures worthless, in wrk's own words: responses that are not 2xx or 3xx, socket errors. */
  readonly faults: readonly string[]
}

const msOf = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const

/** Throws when the output is not that of a run with `--latency`. */
export function parseWrk(output: string): WrkResult {
  const total = /^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),/m.exec(output)
  const perSecond = /^Requests\/sec:\s+([\d.]+)/m.exec(output)
  if (total === null || perSecond === null)
    throw new Error(`this is no output of wrk: ${output.slice(0, 500)}`)
  return {
    requests: Number(total[1]),
    seconds: durationMs(total[2]!, total[3]!) / 1_000,
    perSecond: Number(perSecond[1]),
    p50Ms: percentile(output, 50),
    p99Ms: percentile(output, 99),
    faults: faultsIn(output),
  }
}

function percentile(output: string, percent: number): number {
  const line = new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s|m|h)\\s*$`, "m").exec(output)
  if (line === null) throw new Error(`wrk printed no ${percent}% line: was --latency given?`)
  return durationMs(line[1]!, line[2]!)
}

function durationMs(amount: string, unit: string): number {
  return Number(amount) * msOf[unit as keyof typeof msOf]
}

function faultsIn(output: string): string[] {
  return [...output.matchAll(/^\s*(Socket errors: .*|Non-2xx or 3xx responses: \d+)\s*$/gm)]
    .map(([, fault]) => fault!)
    .filter((fault) => /: [1-9]|\b(connect|read|write|timeout) [1-9]/.test(fault))
}
