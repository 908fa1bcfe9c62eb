// Command lines run in this process, and a folder for the files that they name.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after } from "node:test"
import { main } from "../../src/cli/main.ts"

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line as the launcher does, and returns what it said. */
export async function run(...words: readonly string[]): Promise<Said> {
  const said = { out: "", err: "" }
  const code = await main(words, {
    out: (text) => void (said.out += text),
    say: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    linesLost: () => 0,
  })
  return { code, ...said }
}

/** A folder that is gone when the tests are over, and a way to write a file into it, which returns its path. */
export function scratch(): {
  readonly folder: string
  readonly file: (name: string, text: string) => string
} {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-"))
  after(() => rmSync(folder, { recursive: true }))
  return {
    folder,
    file(name, text) {
      const path = join(folder, name)
      writeFileSync(path, text)
      return path
    },
  }
}
