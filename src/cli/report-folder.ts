/** Where `--report` goes: a folder with a page, its figures and its numbers. */
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Io } from "../text/io.ts"

/** Makes the folder; false, and said, when it cannot be written to: found out before the work, not after it. */
export function canWriteReport(command: string, folder: string, io: Io): boolean {
  return writes(command, folder, io, () => {
    mkdirSync(folder, { recursive: true })
    // A report that is there already stays whole until there is another.
    closeSync(openSync(join(folder, "results.json"), "a"))
  })
}

/** Into a folder that could be written to; false, and said, when it no longer can. */
export function writeReport(
  command: string,
  folder: string,
  files: ReadonlyMap<string, string>,
  io: Io,
): boolean {
  const isWritten = writes(command, folder, io, () => {
    for (const [name, content] of files) writeFileSync(join(folder, name), content)
  })
  if (isWritten) io.err(`wrote ${join(folder, "report.html")}\n`)
  return isWritten
}

function writes(command: string, folder: string, io: Io, write: () => void): boolean {
  try {
    write()
    return true
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException
    io.err(`linebacker ${command}: --report: cannot write to ${folder}: the system says ${code}\n`)
    return false
  }
}
