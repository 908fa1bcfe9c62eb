import type { Millis } from "../core/clock.ts"
import type { Timers } from "../system.ts"

/** How often files are looked at. What has changed is read once it has stayed the same from one look to the next. */
const lookMs: Millis = 1_000

export interface FollowedFiles {
  readonly paths: readonly string[]
  /** Changes whenever the path means another file or content: see `fileStamp`. */
  readonly stamp: (path: string) => string
  readonly timers: Timers
}

/**
 * Follows files by what their paths mean now. Events of the system are no help in that: they are of one folder, and a
 * renewal may put another folder or link in its place anywhere on the way (Kubernetes swaps the link `..data`), or
 * come from another machine. A look costs a stat of each file.
 *
 * A renewal of several files may be seen when it is half done: what reads the files keeps what it has until
 * they fit, and the other half is one more change.
 */
export class FileFollower {
  readonly #files: FollowedFiles
  /** Of all files together: when they were read last, and when they were looked at last. */
  #read: string
  #seen: string
  #cancel: (() => void) | undefined

  /** To be made before the files are read first: what changes after that is a change. */
  constructor(files: FollowedFiles) {
    this.#files = files
    this.#read = this.#stamps()
    this.#seen = this.#read
  }

  /**
   * @param onChange is called when some of the files have changed and all have been quiet for `lookMs`. They may be
   * wrong or missing.
   */
  start(onChange: () => void): void {
    this.#cancel = this.#files.timers.set(lookMs, () => this.#look(onChange), { unref: true })
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #look(onChange: () => void): void {
    this.start(onChange)
    const stamps = this.#stamps()
    const isQuiet = stamps === this.#seen
    this.#seen = stamps
    if (!isQuiet || stamps === this.#read) return
    this.#read = stamps
    onChange()
  }

  #stamps(): string {
    const { paths, stamp } = this.#files
    return paths.map((path) => stamp(path)).join("\n")
  }
}
