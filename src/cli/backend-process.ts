/**
 * Entry point of a demonstration backend that another process starts: `linebacker backend` without the rest of the
 * program, which takes a third of the time to start. Words as behind `linebacker backend`.
 */
import { backend } from "./backend.ts"
import { type Io, parseCommandLine, UsageError } from "./command.ts"

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}
try {
  process.exitCode = await backend.run(parseCommandLine(backend, process.argv.slice(2)), io)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  io.err(`linebacker backend: ${error.message}\n`)
  process.exitCode = 2
}
