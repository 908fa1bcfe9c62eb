/**
 * From YAML to plain values with a place for each. YAML can do more than a configuration should: aliases and
 * `<<` merges are followed within limits; tags, several documents and keys that are not scalars are refused.
 */

import { Alias, isMap, isScalar, isSeq, LineCounter, parseDocument, YAMLMap } from "yaml"
import type { Document, Node, Pair, YAMLError } from "yaml"
import { unresolved, type ConfigPath } from "./issue.ts"
import { interpolate, type Substitutions } from "./interpolate.ts"

export interface Position {
  readonly line: number
  readonly column: number
}

export interface YamlIssue {
  readonly path: ConfigPath
  readonly place: Position
  readonly message: string
}

export interface YamlTree {
  readonly value: unknown
  readonly issues: readonly YamlIssue[]
  /** The text is no YAML, so `value` says nothing. */
  readonly broken: boolean
  /** The place of a setting, or of the nearest one around it; what was written, when variables were put in. */
  locate(
    path: ConfigPath,
    at: "key" | "value",
  ): { readonly place: Position; readonly written: string | undefined }
}

/** Values of a file, those behind aliases counted each time: more is a mistake or an attack. */
const valuesMax = 10_000
/** Mappings and lists in each other. */
const depthMax = 32

/** Reads YAML 1.2. Never throws: whatever is wrong is among the issues. */
export function readYaml(text: string, substitutions: Substitutions): YamlTree {
  const lines = new LineCounter()
  const document = parsed(text, lines)
  if (document === undefined) {
    const issue = { path: [], place: { line: 1, column: 1 }, message: "nested too deeply to be read" }
    return broken([issue])
  }
  const placeOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const faults = [...document.errors, ...document.warnings]
  const issues = faults.map((fault): YamlIssue => {
    return { path: [], place: placeOf(fault.pos[0]), message: faultMessage(fault, text) }
  })
  // The tree of a text that is no YAML is guesswork.
  if (document.errors.length > 0) return broken(issues)

  const reader = new TreeReader(document, substitutions, placeOf)
  const value = reader.read(document.contents, [], 0)
  issues.push(...reader.issues)
  const nearest = (path: ConfigPath) => {
    for (let length = path.length; length > 0; length--) {
      const spot = reader.spots.get(pathText(path.slice(0, length)))
      if (spot !== undefined) return { ...spot, exact: length === path.length }
    }
    return undefined
  }
  return {
    value,
    issues,
    broken: false,
    locate(path, at) {
      const spot = nearest(path)
      if (spot === undefined) return { place: { line: 1, column: 1 }, written: undefined }
      const offset = at === "key" || !spot.exact ? spot.keyAt : spot.valueAt
      return { place: placeOf(offset), written: spot.exact ? spot.written : undefined }
    },
  }
}

/** `resources[1].name`. */
export function pathText(path: ConfigPath): string {
  let text = ""
  for (const key of path) text += typeof key === "number" ? `[${key}]` : text === "" ? key : `.${key}`
  return text
}

function broken(issues: readonly YamlIssue[]): YamlTree {
  const place = { line: 1, column: 1 }
  return { value: undefined, issues, broken: true, locate: () => ({ place, written: undefined }) }
}

function parsed(text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      version: "1.2",
      schema: "core",
      // Found here, where the path is known and the rest of the file can still be read.
      uniqueKeys: false,
    })
  } catch (error) {
    // The parser recurses; depth is the one thing it has no limit for.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function faultMessage(
  { code, message, pos }: YAMLError | Document["warnings"][number],
  text: string,
): string {
  if (code === "MULTIPLE_DOCS") return "expected one YAML document, found another"
  if (code === "TAG_RESOLVE_FAILED") return `tags are not used here: ${text.slice(pos[0], pos[1])}`
  if (code === "RESOURCE_EXHAUSTION") return "nested too deeply to be read"
  return `not valid YAML: ${message.replaceAll(/\s+/g, " ")}`
}

interface Spot {
  readonly keyAt: number
  readonly valueAt: number
  /** The text before variables were put in, when there were any. */
  readonly written: string | undefined
}

class TreeReader {
  readonly issues: YamlIssue[] = []
  readonly spots: Map<string, Spot> = new Map<string, Spot>()
  readonly #document: Document.Parsed
  readonly #substitutions: Substitutions
  readonly #placeOf: (offset: number) => Position
  #values = 0

  constructor(
    document: Document.Parsed,
    substitutions: Substitutions,
    placeOf: (offset: number) => Position,
  ) {
    this.#document = document
    this.#substitutions = substitutions
    this.#placeOf = placeOf
  }

  /** @param keyAt where the setting's key stands; a list's element is its own key. */
  read(node: unknown, path: ConfigPath, keyAt: number): unknown {
    const at = startOf(node) ?? keyAt
    if (++this.#values > valuesMax) {
      if (this.#values === valuesMax + 1) this.#report(path, at, `more than ${valuesMax} values`)
      return unresolved
    }
    if (path.length > depthMax) return this.#report(path, at, `more than ${depthMax} levels deep`)
    const target = this.#followed(node, path, at)
    if (target === unresolved) return unresolved
    if (isMap(target)) {
      this.#mark(path, keyAt, at)
      return this.#mapping(target, path)
    }
    if (isSeq(target)) {
      this.#mark(path, keyAt, at)
      return target.items.map((item, index) => this.read(item, [...path, index], startOf(item) ?? at))
    }
    const value = isScalar(target) ? target.value : null
    if (typeof value !== "string") {
      this.#mark(path, keyAt, at)
      return typeof value === "number" || typeof value === "boolean" ? value : null
    }
    const whole = interpolate(value, this.#substitutions)
    this.#mark(path, keyAt, at, whole.ok && whole.value !== value ? value : undefined)
    return whole.ok ? whole.value : this.#report(path, at, whole.error)
  }

  #mapping(map: YAMLMap, path: ConfigPath): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    for (const pair of map.items) {
      if (isMergeKey(pair.key)) continue
      const keyAt = startOf(pair.key) ?? startOf(pair.value) ?? 0
      const key = keyText(pair.key)
      if (key === undefined || key === "__proto__") {
        this.#report(path, keyAt, "a key must be a plain word")
        continue
      }
      if (Object.hasOwn(result, key)) this.#report([...path, key], keyAt, "the key is there twice")
      result[key] = this.read(pair.value, [...path, key], keyAt)
    }
    for (const pair of map.items) if (isMergeKey(pair.key)) this.#merge(pair, path, result)
    return result
  }

  /** Adds what `<<` brings in: earlier sources win over later ones, and the mapping's own keys over all. */
  #merge(pair: Pair, path: ConfigPath, result: Record<string, unknown>): void {
    const at = startOf(pair.value) ?? startOf(pair.key) ?? 0
    const value = this.#followed(pair.value, path, at)
    if (value === unresolved) return
    for (const item of isSeq(value) ? value.items : [value]) {
      const source = this.#followed(item, path, at)
      if (!isMap(source)) {
        if (source !== unresolved) this.#report(path, at, '"<<" takes a mapping or a list of mappings')
        continue
      }
      if (path.length > depthMax || ++this.#values > valuesMax) return
      const missing = new YAMLMap()
      missing.items = source.items.filter(({ key }) => !Object.hasOwn(result, keyText(key) ?? ""))
      Object.assign(result, this.#mapping(missing, path))
    }
  }

  /** The node an alias stands for, any other node itself. */
  #followed(node: unknown, path: ConfigPath, at: number): unknown {
    if (!(node instanceof Alias)) return node
    const target: Node | undefined = node.resolve(this.#document)
    return target ?? this.#report(path, at, `there is no anchor &${node.source} before this alias`)
  }

  #mark(path: ConfigPath, keyAt: number, valueAt: number, written?: string): void {
    this.spots.set(pathText(path), { keyAt, valueAt, written })
  }

  #report(path: ConfigPath, at: number, message: string): typeof unresolved {
    this.issues.push({ path, place: this.#placeOf(at), message })
    return unresolved
  }
}

function isMergeKey(key: unknown): boolean {
  // `%YAML 1.1` makes it a symbol.
  return isScalar(key) && (key.value === "<<" || typeof key.value === "symbol") && key.type === "PLAIN"
}

/** The text of a key that is a scalar. */
function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined
  const { value } = key
  return typeof value === "string" ? value : JSON.stringify(value)
}

function startOf(node: unknown): number | undefined {
  return (node as Partial<Node> | null)?.range?.[0]
}
