/** Where `--report` goes: a folder with a page, its figures and its numbers. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Io } from "./command.ts"

/** Makes the folder; false, and said, when it cannot be written to: found out before the work, not after it. */
export function canWriteReport(command: string, folder: string, io: Io): boolean {
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, "results.json"), "")
    return true
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException
    io.err(`linebacker ${command}: --report: cannot write to ${folder}: the system says ${code}\n`)
    return false
  }
}

/** Into a folder that can be written to. */
export function writeReport(folder: string, files: ReadonlyMap<string, string>, io: Io): void {
  for (const [name, content] of files) writeFileSync(join(folder, name), content)
  io.err(`wrote ${join(folder, "report.html")}\n`)
}
