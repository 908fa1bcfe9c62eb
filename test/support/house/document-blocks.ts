/** What documents show as code: the blocks between ``` of a Markdown file, and the commands in them. */
import { readFileSync } from "node:fs"
import { join } from "node:path"

export interface Block {
  readonly path: string
  /** The line of its first content, from 1. */
  readonly line: number
  /** What stands behind the opening fence: sh, yaml, ts, text. */
  readonly language: string
  readonly text: string
}

export interface ShownCommand {
  readonly path: string
  readonly line: number
  /** As a shell runs it, lines that end in a backslash joined; without a comment behind it. */
  readonly text: string
}

/** All blocks of a document, in order. `path` is relative to `root`. */
export function blocksOf(root: string, path: string): Block[] {
  const blocks: Block[] = []
  let open: { line: number; language: string; lines: string[] } | undefined
  for (const [index, text] of readFileSync(join(root, path), "utf8").split("\n").entries()) {
    const fence = /^```(\w*)\s*$/.exec(text)
    if (fence === null) open?.lines.push(text)
    else if (open === undefined) open = { line: index + 2, language: fence[1]!, lines: [] }
    else {
      blocks.push({ path, line: open.line, language: open.language, text: open.lines.join("\n") })
      open = undefined
    }
  }
  return blocks
}

/** The commands of a block of the shell's. */
export function commandsOf({ path, line, text }: Block): ShownCommand[] {
  const commands: ShownCommand[] = []
  let held = ""
  let heldAt = 0
  for (const [index, each] of text.split("\n").entries()) {
    if (held === "") heldAt = line + index
    if (each.endsWith("\\")) {
      held += each.slice(0, -1)
      continue
    }
    const command = `${held}${each}`
      .replace(/^\$ /, "")
      .replace(/\s#.*$/, "")
      .trim()
    if (command !== "" && !command.startsWith("#")) commands.push({ path, line: heldAt, text: command })
    held = ""
  }
  return commands
}
