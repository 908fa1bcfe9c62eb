/** The `linebacker` command: finds the subcommand, runs it, and says how it went by its exit code. */
import { packageVersion } from "../version.ts"
import { aligned } from "../text/aligned.ts"
import { didYouMean } from "../text/suggest.ts"
import { type ExitCode, helpOf, parseCommandLine, UsageError } from "./command.ts"
import type { Io } from "../text/io.ts"
import { commands } from "./commands.ts"
import { processIo } from "./process-io.ts"
import { ignoreSignals, stopWithLauncher } from "./signals.ts"

/** Runs one command line (without the program's name) to its end. */
export async function main(words: readonly string[], io: Io): Promise<ExitCode> {
  const [name, ...rest] = words
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    io.out(overview())
    return name === undefined ? 2 : 0
  }
  if (name === "--version" || name === "-v") {
    io.out(`linebacker ${packageVersion()}, Node.js ${process.versions.node}\n`)
    return 0
  }
  const entry = commands.find((candidate) => candidate.name === name)
  if (entry === undefined) {
    const names = commands.map((candidate) => candidate.name)
    io.err(`linebacker: there is no command "${name}"${didYouMean(name, names)}\nTry: linebacker --help\n`)
    return 2
  }
  const command = await entry.load()
  try {
    const given = parseCommandLine(command, rest)
    if (given.values["help"] === true) {
      io.out(helpOf(command, entry.summary))
      return 0
    }
    return await command.run(given, io)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    io.err(`linebacker ${name}: ${error.message}\nTry: linebacker ${name} --help\n`)
    return 2
  }
}

function overview(): string {
  const rows = commands.map(({ name, summary }) => [`  ${name}`, summary])
  return `Linebacker, an HTTP load balancer that looks at what each request needs.

Usage: linebacker COMMAND [OPTIONS]

Commands:
${aligned(rows, "sentences")}
linebacker COMMAND --help shows the options of a command.
`
}

if (import.meta.main || process.argv[1] === import.meta.filename) {
  ignoreSignals()
  stopWithLauncher()
  const io = processIo()
  io.end(await main(process.argv.slice(2), io))
}
