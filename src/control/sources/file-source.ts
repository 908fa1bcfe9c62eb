/** Backends from files, each with a list as the settings have it. */
import { readdirSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { readBackendFile } from "../../config/backend-file.ts"
import { readTextFile } from "../../config/config-file.ts"
import type { Config } from "../../config/config.ts"
import { fail, ok, type Result } from "../../core/result.ts"
import type { Registration } from "../../membership/registration.ts"
import { fileStamp } from "../../net/file-stamp.ts"
import type { Timers } from "../../system.ts"
import { formatProblem } from "../../text/problem.ts"
import { FileFollower } from "../file-follower.ts"
import type { Findings, Source } from "./source.ts"

/** Files of one pattern; more are a mistake. */
const filesMax = 1_024
/** Of one file that are told at a time. */
const problemsMax = 8

export interface FileSourceParts {
  readonly settings: Pick<Config, "resources" | "checks">
  readonly timers: Timers
}

/** The backends of one file when it was last right. */
type LastGood = ReadonlyMap<string, readonly Registration[]>

/**
 * The files that a pattern names. A file that is wrong or cannot be read counts as it last was, and so do all while their
 * folder cannot be read. One that is deleted takes its backends with it, if the pattern has `*` or `?`; one that is
 * named as it is has to be there, so that its absence is a mistake.
 */
export class FileSource implements Source {
  readonly kind = "file"
  readonly name: string
  readonly #pattern: string
  readonly #parts: FileSourceParts
  #good: LastGood = new Map()
  #follower: FileFollower | undefined

  /**
   * @param name as the settings have it
   * @param pattern the same as an absolute path
   */
  constructor(name: string, pattern: string, parts: FileSourceParts) {
    this.name = name
    this.#pattern = pattern
    this.#parts = parts
  }

  start(found: (findings: Findings) => void): void {
    const { timers } = this.#parts
    this.#follower = new FileFollower({ paths: [this.#pattern], stamp: stampOf, timers })
    this.#follower.start(() => found(this.#read()))
    found(this.#read())
  }

  close(): void {
    this.#follower?.close()
  }

  #read(): Findings {
    const paths = filesLike(this.#pattern)
    if (!paths.ok) return this.#findings([`${this.name}: ${paths.error}; what it had found stays`])
    const problems: string[] = []
    const good = new Map<string, readonly Registration[]>()
    for (const path of paths.value) {
      const read = this.#readFile(path)
      const before = this.#good.get(path)
      if (!read.ok) problems.push(...read.error.map((line) => `${line}${keptWords(before)}`))
      const backends = read.ok ? read.value : before
      if (backends !== undefined) good.set(path, backends)
    }
    this.#good = good
    return this.#findings(problems)
  }

  #findings(problems: readonly string[]): Findings {
    return { backends: [...this.#good.values()].flat(), problems }
  }

  #readFile(path: string): Result<readonly Registration[], readonly string[]> {
    const shown = join(dirname(this.name), basename(path))
    const text = readTextFile(path)
    if (!text.ok) return fail([`${shown}: cannot be read: ${text.error}`])
    const read = readBackendFile(shown, text.value, this.#parts.settings)
    return read.ok ? read : fail(read.error.slice(0, problemsMax).map(formatProblem))
  }
}

function keptWords(before: readonly Registration[] | undefined): string {
  return before === undefined ? "; nothing of it counts" : "; what it said before counts"
}

/** Changes whenever the pattern names other files, or one of them has changed. */
function stampOf(pattern: string): string {
  const paths = filesLike(pattern)
  return paths.ok ? paths.value.map((path) => `${path} ${fileStamp(path)}`).join("\n") : paths.error
}

/** The files that a pattern names now, by name; hidden ones only where it begins with a dot. Or why that is not known. */
function filesLike(pattern: string): Result<readonly string[], string> {
  const name = basename(pattern)
  if (!/[*?]/.test(name)) return ok([pattern])
  const folder = dirname(pattern)
  try {
    const names = readdirSync(folder).filter(likeThat(name))
    if (names.length > filesMax) return fail(`there are more than ${filesMax} such files`)
    return ok(names.sort().map((one) => join(folder, one)))
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    return fail(code === "ENOENT" ? "there is no such folder" : `its folder cannot be read (${code})`)
  }
}

function likeThat(pattern: string): (name: string) => boolean {
  const escaped = pattern.replaceAll(/[\\^$.+()[\]{}|/]/g, String.raw`\$&`)
  const form = new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su")
  return (name) => form.test(name) && (pattern.startsWith(".") || !name.startsWith("."))
}
