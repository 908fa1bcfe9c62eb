/** The outputs of this process: the one place that writes to them. */
import type { Writable } from "node:stream"
import type { Io } from "../text/io.ts"

/** What an output whose reader stands still may keep in memory; lines that come on top are lost. */
const queuedBytesMax = 1024 * 1024

/** How long the last lines may take to be written. */
const lastLinesMs = 500

/**
 * Lines for people. One that cannot be written is lost: its reader has gone or stands still, or the disk is full. It is
 * counted, the next line that can be written says how many there were, and nothing else happens.
 */
class LossyLines {
  readonly #stream: Writable
  #lost = 0
  /** Those that no line has told of yet. */
  #untold = 0

  constructor(stream: Writable) {
    this.#stream = stream
    // The callback of each write hears of it; without a listener it would end the process.
    stream.on("error", () => {})
  }

  get lost(): number {
    return this.#lost
  }

  write(text: string): void {
    const lines = text.split("\n").length - 1
    if (this.#stream.writableLength > queuedBytesMax) return this.#lose(lines, lines)
    const untold = this.#untold
    this.#untold = 0
    this.#stream.write(
      untold === 0 ? text : `(${countOf(untold)} could not be written)\n${text}`,
      (error) => {
        if (error instanceof Error) this.#lose(lines, untold + lines)
      },
    )
  }

  #lose(lines: number, untold: number): void {
    this.#lost += lines
    this.#untold += untold
  }
}

function countOf(lines: number): string {
  return lines === 1 ? "1 line before this" : `${lines} lines before this`
}

interface Outputs {
  readonly stdout: Writable
  readonly stderr: Writable
}

export interface ProcessIo extends Io {
  /** The command is done: the process ends, also when a reader stands still. Data is written to its end first. */
  readonly end: (code: number) => void
}

/** The outputs as commands use them. To be made once in a process. */
export function processIo({ stdout, stderr }: Outputs = process): ProcessIo {
  let hasData = false
  const log = new LossyLines(stderr)
  const said = new LossyLines(stdout)
  return {
    out: (text) => {
      hasData = true
      stdout.write(text, (error) => error instanceof Error && endWithOutput(error, log))
    },
    say: (text) => said.write(text),
    err: (text) => log.write(text),
    linesLost: () => log.lost + said.lost,
    end: (code) => {
      process.exitCode = code
      setInterval(() => {
        if (!hasData || stdout.writableLength === 0) process.exit()
      }, lastLinesMs).unref()
    },
  }
}

/** Data that cannot be written is what the command was for: it ends. */
function endWithOutput({ code, message }: NodeJS.ErrnoException, log: LossyLines): void {
  if (code !== "EPIPE") {
    log.write(`linebacker: the output cannot be written: ${message}\n`)
    process.exit(1)
  }
  // The reader has read enough (`… | head -1`). A command that is at its end has set its exit code by then.
  setImmediate(() => process.exit())
}
