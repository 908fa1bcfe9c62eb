/** Whether a file is still the one that was read: what its path means now, through all symbolic links. */
import { readFileSync, statSync } from "node:fs"

/**
 * Changes whenever the path leads to another file, or the file to another content: after a rename, a write, a change of
 * rights, a link or a folder put in another's place. Two writes within one tick of the system's clock (some ms) look
 * like one. Never throws: a file that cannot be reached has a stamp too, which says why.
 */
export function fileStamp(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** What a small file says, read again and parsed again only when it has changed. A missing file reads as empty. */
export class ParsedFile<T> {
  readonly #path: string
  readonly #parse: (text: string) => T
  #stamp: string | undefined
  #value: T | undefined

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path
    this.#parse = parse
  }

  get value(): T {
    const stamp = fileStamp(this.#path)
    if (stamp !== this.#stamp || this.#value === undefined) {
      this.#stamp = stamp
      this.#value = this.#parse(textOf(this.#path))
    }
    return this.#value
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}
