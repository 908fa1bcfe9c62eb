/** What every soak stands on: the real program in a process of its own, a backend in another, and what they hold. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { StateView } from "../../src/control/state-view.ts"

const root = join(import.meta.dirname, "..", "..")
const host = "127.0.0.1"
/** A thread collects within tens of milliseconds; the pages go back to the system somewhat later. */
const collectMs = 1_000

/** What a soak has found: one line, and whether it is what was promised. */
export interface Finding {
  readonly text: string
  readonly holds: boolean
}

export interface BedOptions {
  readonly workers: number
  readonly backends: number
  /** Seed of the backends' chance. */
  readonly seed: number
  /** Sections of the configuration beside the listeners. */
  readonly limits?: Readonly<Record<string, number>>
  readonly timeouts?: Readonly<Record<string, string>>
}

export class Bed {
  /** Where traffic goes. */
  readonly port: number
  readonly #balancer: ChildProcess
  readonly #children: ChildProcess[]
  readonly #folder: string
  readonly #admin: string
  readonly #registration: string

  private constructor(balancer: ChildProcess, said: string, folder: string) {
    this.#balancer = balancer
    this.#children = [balancer]
    this.#folder = folder
    this.#admin = addressIn(said, "page on http://")
    this.#registration = addressIn(said, "registration on ")
    this.port = Number(addressIn(said, "traffic on ").split(":")[1])
  }

  /** Starts balancer and backends; resolves when the backends may be chosen. */
  static async open(options: BedOptions): Promise<Bed> {
    const folder = mkdtempSync(join(tmpdir(), "linebacker-soak-"))
    const file = join(folder, "linebacker.yaml")
    writeFileSync(file, JSON.stringify(configOf(options)))
    const words = ["--expose-gc", "--import", join(import.meta.dirname, "collect.ts")]
    const [balancer, said] = await started([...words, "src/cli/main.ts", "serve", "-c", file], "page on ")
    const bed = new Bed(balancer, said, folder)
    try {
      for (let i = 0; i < options.backends; i++) await bed.#addBackend(`b${i}`, options.seed + i)
      await holds("all backends serve", async () => (await bed.state()).totals.eligible === options.backends)
    } catch (error) {
      bed.close()
      throw error
    }
    return bed
  }

  async state(): Promise<StateView> {
    const response = await fetch(`http://${this.#admin}/api/v1/state`)
    return (await response.json()) as StateView
  }

  /** Has every thread of the balancer collect its garbage. */
  async collect(): Promise<void> {
    this.#balancer.send("collect")
    await pause(collectMs)
  }

  /** What the balancer's process has of the machine's memory (its PSS), bytes: of shared pages its share. */
  get memory(): number {
    const facts = readFileSync(`/proc/${this.#balancer.pid}/smaps_rollup`, "utf8")
    return Number(/^Pss:\s+(\d+) kB$/m.exec(facts)![1]) * 1024
  }

  /** The process still lives, and holds nothing more for requests that have ended. */
  async settled(): Promise<Finding> {
    const totals = async (): Promise<string> => {
      const { inFlight, reserved } = (await this.state()).totals
      return [`in flight ${inFlight}`, ...Object.entries(reserved).map((one) => one.join(" "))].join(", ")
    }
    const isZero = async (): Promise<boolean> => !/[1-9]/.test(await totals())
    const isSettled = await holds("zero", isZero).then(
      () => true,
      () => false,
    )
    return { text: `afterwards: ${await totals()}`, holds: isSettled && this.#balancer.exitCode === null }
  }

  async #addBackend(id: string, seed: number): Promise<void> {
    const [backend, port] = await started(["bench/soak/backend.ts", String(seed)], "\n")
    this.#children.push(backend)
    const response = await fetch(`http://${this.#registration}/v1/backends/${id}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        address: `${host}:${port.trim()}`,
        capacity: { compute: 100_000, storage: 100_000 },
      }),
    })
    if (!response.ok) throw new Error(`${id} was not registered: ${response.status} ${await response.text()}`)
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL")
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Resolves when it holds, rejects when it does not within 10 s. */
export async function holds(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await isSo()) return
    await pause(50)
  }
  throw new Error(`not within 10 s: ${what}`)
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

export function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

function configOf({ workers, limits, timeouts }: BedOptions): unknown {
  return {
    listen: `${host}:0`,
    workers,
    registration: { listen: `${host}:0`, ttl: "12h", suspect: "11h", renew: "1h" },
    admin: { listen: `${host}:0` },
    limits,
    timeouts,
  }
}

/** A child that has said this on its standard output, and all that it has said until then. */
async function started(words: readonly string[], until: string): Promise<[ChildProcess, string]> {
  const child = spawn(process.execPath, ["--conditions=linebacker-source", ...words], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  })
  const ended = once(child, "exit")
  let said = ""
  const { stdout } = child
  if (stdout === null) throw new Error("its output is piped")
  stdout.on("data", (data: Buffer) => (said += data.toString()))
  while (!said.includes(until)) {
    const isOver = await Promise.race([once(stdout, "data").then(() => false), ended.then(() => true)])
    if (isOver) throw new Error(`${words.join(" ")} ended before it was ready`)
  }
  return [child, said]
}

function addressIn(said: string, before: string): string {
  return new RegExp(`${before}([^/,\\s]+)`).exec(said)![1]!
}
