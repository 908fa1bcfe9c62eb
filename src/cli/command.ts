import { parseArgs } from "node:util"
import { aligned } from "../text/aligned.ts"
import type { Io } from "../text/io.ts"
import { didYouMean } from "../text/suggest.ts"

export interface Option {
  readonly type: "string" | "boolean"
  readonly short?: string
  /** It may be given several times; `texts` has all of them. */
  readonly multiple?: true
  /** What stands for the value in the help. */
  readonly value?: string
  readonly about: string
}

/** What was given on the command line, as the table of options says. */
export interface Given {
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>
  readonly positionals: readonly string[]
}

/** 0: done; 1: an expectation failed, something is invalid or could not start; 2: wrong use. */
export type ExitCode = 0 | 1 | 2

export interface Command {
  readonly name: string
  /** What follows the name, for the help: `[-c FILE]`. */
  readonly usage: string
  readonly options: Readonly<Record<string, Option>>
  /** Words without a dash that it takes, at most. */
  readonly positionalsMax: number
  run(given: Given, io: Io): Promise<ExitCode>
}

/** Thrown by a command for what the person at the keyboard got wrong: printed with the usage, exit code 2. */
export class UsageError extends Error {}

const commonOptions: Readonly<Record<string, Option>> = {
  help: { type: "boolean", short: "h", about: "Show this." },
}

/** Reads the words behind a command's name by its table of options. Throws `UsageError`. */
export function parseCommandLine(command: Command, words: readonly string[]): Given {
  const options = { ...command.options, ...commonOptions }
  const known = Object.keys(options).map((name) => `--${name}`)
  for (const word of words) {
    if (word === "--") break
    const name = word.split("=", 1)[0]!
    if (name.startsWith("--") && !known.includes(name)) {
      throw new UsageError(`there is no option ${name}${didYouMean(name, known)}`)
    }
  }
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: Object.fromEntries(
        Object.entries(options).map(([name, { type, short, multiple = false }]) => [
          name,
          short === undefined ? { type, multiple } : { type, multiple, short },
        ]),
      ),
      allowPositionals: true,
      strict: true,
    })
    if (values["help"] !== true && positionals.length > command.positionalsMax) {
      throw new UsageError(`unexpected "${positionals[command.positionalsMax]}"`)
    }
    return { values, positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError((error as Error).message.split(". To specify")[0])
  }
}

/** The help of one command, from the same table that its words are read by. */
export function helpOf(command: Command, summary: string): string {
  const rows = Object.entries({ ...command.options, ...commonOptions }).map(([name, option]) => {
    const short = option.short === undefined ? "    " : `-${option.short}, `
    const value = option.type === "string" ? ` ${option.value ?? "VALUE"}` : ""
    return [`  ${short}--${name}${value}`, option.about]
  })
  const usage = `${command.name} ${command.usage}`.trim()
  return `${summary}\n\nUsage: linebacker ${usage}\n\nOptions:\n${aligned(rows, "sentences")}`
}

/** The text of a string option, or undefined when it was not given. */
export function text(given: Given, name: string): string | undefined {
  const value = given.values[name]
  return typeof value === "string" ? value : undefined
}

/** All texts of a string option that may be given several times, in order. */
export function texts(given: Given, name: string): readonly string[] {
  const values = given.values[name]
  return Array.isArray(values) ? values.filter((value) => typeof value === "string") : []
}

/** The command line as a shell takes it: these words and the options that were given, but for some. */
export function commandLine(
  words: readonly string[],
  { values }: Given,
  without: readonly string[] = [],
): string {
  const options = Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined || value === false || without.includes(name)) return []
    return [value]
      .flat()
      .flatMap((one) => (one === true ? [`--${name}`] : [`--${name}`, quoted(String(one))]))
  })
  return ["linebacker", ...words.map(quoted), ...options].join(" ")
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./,:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
