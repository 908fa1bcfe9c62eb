// The program as a user starts it: processes that end with the test, ports of their own, and load on them.
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { type Agent, get } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { freePorts } from "./free-ports.ts"

/** `bin/linebacker`. */
export const launcher = join(import.meta.dirname, "..", "..", "bin", "linebacker")

export interface Started {
  readonly process: ChildProcess
  readonly pid: number
  /** All that it has said so far, on both outputs. */
  readonly said: () => string
  /** Its exit code, or the signal that ended it, once its outputs are closed too. */
  readonly ended: Promise<number | string>
}

/** What a test owes: run in reverse order when it is over. A `TestContext` and `node:test` itself are such. */
export interface Cleaner {
  after(clean: () => void | Promise<void>): void
}

/** Starts `bin/linebacker` with these words; it does not outlive the test. */
export function linebacker(cleaner: Cleaner, ...words: readonly string[]): Started {
  return started(cleaner, process.execPath, [launcher, ...words])
}

/** Starts any program, which does not outlive the test; its outputs are heard unless `options` lead them elsewhere. */
export function started(
  cleaner: Cleaner,
  program: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Started {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], ...options })
  let said = ""
  child.stdout?.on("data", (data: Buffer) => (said += data.toString()))
  child.stderr?.on("data", (data: Buffer) => (said += data.toString()))
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "nothing"))
  })
  cleaner.after(() => void child.kill("SIGKILL"))
  return { process: child, pid: child.pid!, said: () => said, ended }
}

export interface Listeners {
  readonly traffic: number
  readonly registration: number
  readonly admin: number
  /** For the command line of a balancer. */
  readonly words: readonly string[]
}

/** Free ports for the three listeners of a balancer. */
export async function freeListeners(): Promise<Listeners> {
  const [traffic, registration, admin] = (await freePorts(3)) as [number, number, number]
  const words = ["-o", `127.0.0.1:${traffic}`, "-i", `127.0.0.1:${registration}`, "-f", `127.0.0.1:${admin}`]
  return { traffic, registration, admin, words }
}

/** Whether a program takes connections there. */
export function isOpen(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("connect", () => socket.destroy())
  })
}

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  readonly words: string
}

/** The processes that run, as Linux lists them; those that have ended and only wait to be noticed are none. */
export function processes(): readonly ProcessFacts[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8")
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        const words = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ")
        return state === "Z" ? [] : [{ pid: Number(name), parent: Number(parent), words }]
      } catch {
        return [] // It ended while we looked.
      }
    })
}

export function childrenOf(pid: number): readonly ProcessFacts[] {
  return processes().filter(({ parent }) => parent === pid)
}

export function isAlive(pid: number): boolean {
  return processes().some((found) => found.pid === pid)
}

export interface Answer {
  /** The status, or why there is none. */
  readonly status: number | string
  /** X-Linebacker-Backend. */
  readonly backend: string
}

/** One GET, whose response is read to its end. */
export function ask(port: number, agent: Agent): Promise<Answer> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, agent }, (response) => {
      const backend = String(response.headers["x-linebacker-backend"])
      response.resume()
      response.on("end", () => resolve({ status: response.statusCode ?? 0, backend }))
      response.on("error", (error) => resolve({ status: `cut: ${error.message}`, backend }))
    }).on("error", (error) => resolve({ status: error.message, backend: "" }))
  })
}

/** `count` GETs, so many at a time. */
export async function askMany(port: number, agent: Agent, count: number, atOnce: number): Promise<Answer[]> {
  const answers: Answer[] = []
  let sent = 0
  const client = async (): Promise<void> => {
    while (sent++ < count) answers.push(await ask(port, agent))
  }
  await Promise.all(Array.from({ length: atOnce }, client))
  return answers
}

export interface OpenLoop {
  /** Sends no more, and returns all responses that came. */
  stop(): Promise<Answer[]>
}

/** GETs at this rate whether earlier ones have their response or not: a slow response holds no other back. */
export function openLoop(port: number, agent: Agent, perSecond: number): OpenLoop {
  const startedAt = performance.now()
  const answers: Promise<Answer>[] = []
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond)
    while (answers.length < due) answers.push(ask(port, agent))
  }, 5)
  return {
    stop: () => {
      clearInterval(timer)
      return Promise.all(answers)
    },
  }
}
