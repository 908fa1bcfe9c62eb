/** A configuration file: YAML with places, so that every mistake is reported with file, line and column. */
import { LineCounter, parseDocument, visit, isScalar, isMap, isPair, type Document, type Node } from "yaml"
import { fail, ok, type Result } from "../core/result.ts"
import { type ConfigIssue, type ConfigPath, unresolved } from "./config-issue.ts"
import { type ConfigContext, parseConfig } from "./config-parse.ts"
import type { Config } from "./config.ts"

/** One mistake, with its place. */
export interface ConfigProblem {
  /** The file as it was named, or the flag for settings that came from one. */
  readonly file: string
  /** From 1 on; undefined for a flag. */
  readonly line: number | undefined
  readonly column: number | undefined
  /** Dotted, "" for the whole file: `checks.interval`. */
  readonly path: string
  /** What is allowed and what was found. */
  readonly message: string
}

/** A setting from elsewhere (a flag) that overrides what the file says. */
export interface Override {
  /** What to blame in a message: `--workers`. */
  readonly from: string
  readonly path: readonly string[]
  readonly value: unknown
}

export interface ConfigFileContext extends ConfigContext {
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Reads a configuration from the text of a file. All problems are reported, in the order of their lines.
 *
 * String values may hold `${NAME}` (an environment variable) and `${file:/path}` (a file's text without its last
 * line end); `$${` stands for `${`.
 */
export function readConfig(
  file: string,
  text: string,
  overrides: readonly Override[],
  context: ConfigFileContext,
): Result<Config, readonly ConfigProblem[]> {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    merge: true,
  })
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (document.errors.length > 0) {
    return fail(
      document.errors.map((error) => ({
        file,
        ...place(error.pos[0]),
        path: "",
        message: firstLine(error.message),
      })),
    )
  }
  const problems: ConfigProblem[] = []
  resolveSecrets(document, context, (offset, path, message) => {
    problems.push({ file, ...place(offset), path, message })
  })
  const written = toPlain(document, problems, file)
  if (written === undefined) return fail(problems)

  const overridden = overrides.reduce<unknown>(
    (tree, { path, value }) => withValue(tree, path, value),
    written,
  )
  const parsed = parseConfig(overridden, context)
  if (!parsed.ok) {
    for (const issue of parsed.error) {
      const override = overrides.find(({ path }) => path.every((key, index) => issue.path[index] === key))
      problems.push(
        override === undefined
          ? {
              file,
              ...place(offsetOf(document, issue)),
              path: pathText(issue.path),
              message: messageOf(issue),
            }
          : {
              file: override.from,
              line: undefined,
              column: undefined,
              path: pathText(issue.path),
              message: messageOf(issue),
            },
      )
    }
  }
  if (problems.length > 0) return fail(problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)))
  return parsed.ok ? ok(parsed.value) : fail(problems)
}

/** `linebacker.yaml:12:3: checks.interval: expected a duration like 5s or 250ms, found "fast"`. */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`
  return path === "" ? `${place}: ${message}` : `${place}: ${path}: ${message}`
}

function messageOf({ message, found }: ConfigIssue): string {
  return found === undefined ? message : `${message}, found ${found}`
}

function pathText(path: ConfigPath): string {
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : index === 0 ? key : `.${key}`))
    .join("")
}

/** Where the file says it: the key or the value of the path, or of the nearest part of it that is there. */
function offsetOf(document: Document, issue: ConfigIssue): number {
  for (let length = issue.path.length; length > 0; length--) {
    const path = issue.path.slice(0, length)
    if (issue.at === "key" && length === issue.path.length) {
      const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
      const pair = isMap(parent)
        ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1))
        : undefined
      const key = pair?.key
      if (isScalar(key) && key.range != null) return key.range[0]
    }
    const node = document.getIn(path, true) as Node | undefined
    if (node?.range != null) return node.range[0]
  }
  return 0
}

function toPlain(document: Document, problems: ConfigProblem[], file: string): unknown {
  let written: unknown
  try {
    written = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    problems.push({ file, line: 1, column: 1, path: "", message: firstLine((error as Error).message) })
    return undefined
  }
  if (written === null || written === undefined) return {}
  if (typeof written === "object" && !Array.isArray(written)) return written
  problems.push({ file, line: 1, column: 1, path: "", message: "expected a mapping of settings" })
  return undefined
}

type Report = (offset: number, path: string, message: string) => void

/** Puts what `${…}` stands for into every string value; one that cannot be made out becomes `unresolved`. */
function resolveSecrets(document: Document, context: ConfigFileContext, report: Report): void {
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return
      const offset = node.range?.[0] ?? 0
      let failed = false
      const text = node.value.replaceAll(/\$\$\{|\$\{([^}]*)\}/g, (whole, reference: string | undefined) => {
        if (whole === "$${") return "${"
        const secret = secretOf(reference ?? "", context)
        if (secret.ok) return secret.value
        failed = true
        report(offset, "", secret.error)
        return ""
      })
      node.value = failed ? unresolved : text
    },
  })
}

function secretOf(reference: string, context: ConfigFileContext): Result<string, string> {
  if (reference.startsWith("file:")) {
    const path = reference.slice("file:".length)
    const read = context.readFile(path)
    return read.ok ? ok(read.value.replace(/\r?\n$/, "")) : fail(`\${${reference}}: ${read.error}`)
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(reference)) {
    return fail(`\${${reference}}: expected \${NAME} or \${file:/path}`)
  }
  const value = context.env[reference]
  return value === undefined ? fail(`\${${reference}}: there is no such environment variable`) : ok(value)
}

function withValue(tree: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const mapping = typeof tree === "object" && tree !== null ? (tree as Record<string, unknown>) : {}
  return { ...mapping, [key]: withValue(mapping[key], rest, value) }
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.replace(/\.$/, "")
}
