// Just enough of TypeScript's grammar to ask a source file what it imports and which words it uses, without being
// fooled by comments, strings, templates and regular expressions.

export interface Token {
  readonly kind: "word" | "number" | "string" | "template" | "regex" | "mark"
  /** Of a string what is between its quotes, escapes as they are; of anything else the whole. */
  readonly text: string
  /** From 1. */
  readonly line: number
}

export interface Import {
  readonly specifier: string
  /** Gone when the types are erased. */
  readonly typeOnly: boolean
  /** `export … from`. */
  readonly again: boolean
  /** `import("…")`: not before it is needed. */
  readonly lazy: boolean
  /** The names, as the file calls them that they come from; "*" is any of them. */
  readonly names: readonly string[]
  readonly line: number
}

const scanner =
  /(?<space>\s+|\/\/.*|\/\*[^]*?\*\/|^#!.*)|(?<word>[#@]?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)|(?<number>\d[\w.]*)|(?<string>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(?<mark>[^])/uy
const regex = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/uy
/** Words after which a slash begins a regular expression, though after a name it divides. */
const beforeRegex = new Set("return typeof case in of do else void delete throw new await yield".split(" "))

/** All tokens. A template is cut at its holes: what stands in a hole gives tokens of its own. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  // How many braces are open in each template hole that is open.
  const holes: number[] = []
  let line = 1
  let at = 0
  const push = (kind: Token["kind"], text: string, length: number) => {
    tokens.push({ kind, text, line })
    skip(length)
  }
  const skip = (length: number) => {
    line += source.slice(at, at + length).split("\n").length - 1
    at += length
  }
  while (at < source.length) {
    const char = source[at]!
    if (char === "`" || (char === "}" && holes.at(-1) === 0)) {
      if (char === "}") holes.pop()
      const length = templateLength(source, at + 1) + 1
      const part = source.slice(at, at + length)
      if (part.endsWith("${")) holes.push(0)
      push("template", part, length)
      continue
    }
    scanner.lastIndex = at
    const match = scanner.exec(source)!
    const [whole] = match
    const { space, word, number, string } = match.groups!
    if (space !== undefined) skip(whole.length)
    else if (word !== undefined) push("word", whole, whole.length)
    else if (number !== undefined) push("number", whole, whole.length)
    else if (string !== undefined) push("string", whole.slice(1, -1), whole.length)
    else {
      regex.lastIndex = at
      const pattern = char === "/" && mayBeginRegex(tokens.at(-1)) ? regex.exec(source)?.[0] : undefined
      if (pattern !== undefined) push("regex", pattern, pattern.length)
      else {
        if (holes.length > 0 && char === "{") holes[holes.length - 1]!++
        if (holes.length > 0 && char === "}") holes[holes.length - 1]!--
        push("mark", whole, whole.length)
      }
    }
  }
  return tokens
}

/** Up to and with the end of a template or of its part before a hole. */
function templateLength(source: string, start: number): number {
  for (let at = start; at < source.length; at++) {
    if (source[at] === "\\") at++
    else if (source[at] === "`") return at + 1 - start
    else if (source[at] === "$" && source[at + 1] === "{") return at + 2 - start
  }
  return source.length - start
}

function mayBeginRegex(before: Token | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === "word") return beforeRegex.has(before.text)
  return before.kind === "mark" && !")]}".includes(before.text)
}

/** Everything a file imports: statements, `export … from`, and `import("…")` as a value or a type. */
export function importsOf(tokens: readonly Token[]): Import[] {
  const imports: Import[] = []
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text, line } = tokens[i]!
    if (kind !== "word" || (text !== "import" && text !== "export") || isMark(tokens[i - 1], ".")) continue
    const next = tokens[i + 1]
    const again = text === "export"
    if (!again && isMark(next, "(")) {
      const specifier = tokens[i + 2]
      // Neither template nor variable can be followed; both are refused, as "".
      const known = specifier?.kind === "string" ? specifier.text : ""
      imports.push({
        specifier: known,
        typeOnly: false,
        again,
        lazy: true,
        names: lazyNames(tokens, i),
        line,
      })
    } else if (!again && next?.kind === "string") {
      imports.push({ specifier: next.text, typeOnly: false, again, lazy: false, names: [], line })
    } else if (next !== undefined && (!again || startsAgain(tokens, i + 1))) {
      const from = fromIndex(tokens, i + 1)
      if (from === undefined) continue
      const clause = tokens.slice(i + 1, from)
      const names = clauseNames(clause).map(([name]) => name)
      const specifier = tokens[from + 1]!.text
      imports.push({ specifier, typeOnly: isTypeOnly(clause), again, lazy: false, names, line })
    }
  }
  return imports
}

/** What `import("…")`, whose first token this is, is for: `(await import("…")).name`, `const { name } = await …`. */
function lazyNames(tokens: readonly Token[], index: number): string[] {
  let end = index + 4
  if (isMark(tokens[end], ")")) end++
  const member = tokens[end + 1]?.text
  if (isMark(tokens[end], ".") && member !== undefined && member !== "then") return [member]
  const pattern = tokens.slice(0, index).findLastIndex((token) => isMark(token, "{"))
  const before = tokens.slice(pattern, index)
  const isPattern = before
    .map(({ text }) => text)
    .join(" ")
    .endsWith("} = await")
  return isPattern ? clauseNames(before.slice(0, -2)).map(([name]) => name) : ["*"]
}

/** Of `{ a, type b as c }`: where each name comes from, and what it is called here. Of `* as a` and `a` any. */
function clauseNames(clause: readonly Token[]): (readonly [string, string])[] {
  const open = clause.findIndex((token) => isMark(token, "{"))
  if (open === -1) return [["*", "*"]]
  const names: (readonly [string, string])[] = []
  for (let i = open + 1; i < clause.length && !isMark(clause[i], "}"); i++) {
    if (
      clause[i]!.text === "type" &&
      /^(word|string)$/.test(clause[i + 1]!.kind) &&
      clause[i + 1]!.text !== "as"
    )
      i++
    const name = clause[i]!.text
    // `as` renames an import or export, a colon a part of a pattern.
    const isRenamed = clause[i + 1]?.text === "as" || isMark(clause[i + 1], ":")
    names.push([name, isRenamed ? clause[i + 2]!.text : name])
    i += isRenamed ? 3 : 1
  }
  return names
}

export interface Declaration {
  readonly name: string
  /** `interface`, `type`, `class`, `function`, `const` and the like; of `export { a }` it is `export`. */
  readonly kind: string
  readonly line: number
}

/** What a file exports by name; `export *` names nothing. */
export function exportsOf(tokens: readonly Token[]): Declaration[] {
  return tokens.flatMap(({ kind, text, line }, index) => {
    if (kind !== "word" || text !== "export" || isMark(tokens[index - 1], ".")) return []
    if (isMark(tokens[index + 1], "*")) return []
    if (startsAgain(tokens, index + 1)) {
      const end = tokens.findIndex((token, at) => at > index && isMark(token, "}"))
      return clauseNames(tokens.slice(index + 1, end + 1)).map(([, name]) => ({ name, kind: "export", line }))
    }
    let at = index + 1
    while (/^(declare|abstract|async)$/.test(tokens[at]!.text)) at++
    const declared = isMark(tokens[at + 1], "*") ? at + 2 : at + 1
    return [{ name: tokens[declared]!.text, kind: tokens[at]!.text, line }]
  })
}

/** The interfaces, classes and named types that a file declares, exported or not. */
export function typesOf(tokens: readonly Token[]): Declaration[] {
  return tokens.flatMap(({ kind, text, line }, index) => {
    if (kind !== "word" || !/^(interface|class|type)$/.test(text) || isMark(tokens[index - 1], ".")) return []
    const [name, next] = [tokens[index + 1], tokens[index + 2]]
    const begins = text === "type" ? /^[=<]$/ : /^(\{|<|extends|implements)$/
    return name?.kind === "word" && next !== undefined && begins.test(next.text)
      ? [{ name: name.text, kind: text, line }]
      : []
  })
}

/** `export {`, `export *` or either after `type`. */
function startsAgain(tokens: readonly Token[], index: number): boolean {
  const first = tokens[index]
  const mark = first?.text === "type" ? tokens[index + 1] : first
  return isMark(mark, "{") || isMark(mark, "*")
}

/** The `from` before the specifier, when the clause that begins here has one. */
function fromIndex(tokens: readonly Token[], start: number): number | undefined {
  for (let i = start; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!
    if (kind === "word" && text === "from" && tokens[i + 1]?.kind === "string") return i
    // Clauses hold only names, strings as names, and these marks.
    const isClause = kind === "word" || kind === "string" || (kind === "mark" && "{},*".includes(text))
    if (!isClause || (isMark(tokens[i - 1], "}") && text !== "from")) return undefined
  }
  return undefined
}

function isTypeOnly(clause: readonly Token[]): boolean {
  if (clause[0]?.text === "type" && clause[1]?.text !== ",") return true
  if (!isMark(clause[0], "{")) return false
  const names = clause.filter((_, index) => isMark(clause[index - 1], "{") || isMark(clause[index - 1], ","))
  return names.every(({ text }) => text === "type" || text === "}")
}

export function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === "mark" && token.text === text
}

/** The lines on which these tokens follow each other, written with spaces between: `Date . now`. */
export function linesOf(tokens: readonly Token[], sequence: string): number[] {
  const texts = sequence.split(" ")
  return tokens.flatMap((token, index) => {
    const found = texts.every((text, offset) => {
      const part = tokens[index + offset]
      return part !== undefined && (part.kind === "word" || part.kind === "mark") && part.text === text
    })
    return found ? [token.line] : []
  })
}
