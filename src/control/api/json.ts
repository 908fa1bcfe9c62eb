import { fail, ok, type Result } from "../../core/result.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

/** JSON (RFC 8259) from bytes; the error is a sentence that says where it stops being JSON. */
export function parseJson(bytes: Uint8Array): Result<unknown, string> {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return fail("it is not UTF-8")
  }
  try {
    return ok(JSON.parse(text) as unknown)
  } catch {
    return fail(whereNotJson(text))
  }
}

function whereNotJson(text: string): string {
  const at = notJsonAt(text)
  if (at >= text.length) return "it ends too early"
  const before = text.slice(0, at)
  const line = before.split("\n").length
  const column = at - before.lastIndexOf("\n")
  const found = JSON.stringify(text.slice(at, at + 12))
  return `it stops being JSON at position ${at} (line ${line}, column ${column}): ${found}`
}

// \p{Cc} are the control characters, of which JSON allows U+007F to U+009F unescaped.
const token =
  /[ \t\n\r]*(?:(?<mark>[{}[\],:])|(?<text>"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|[\u007f-\u009f])*")|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![0-9A-Za-z.+-]))/uy
const blanks = /[ \t\n\r]*/y

/**
 * Index of the first token that cannot be there, or the length when the text ends too early. The parser in the
 * engine is faster but says the position only of some mistakes, so this runs after it has refused. No recursion:
 * nesting costs one character of `open` per level.
 */
function notJsonAt(text: string): number {
  /** The containers around the present place, innermost last. */
  let open = ""
  let expected: "value" | "value or ]" | "name" | "name or }" | ":" | "more" = "value"
  let at = 0
  for (;;) {
    blanks.lastIndex = token.lastIndex = at
    const start = at + blanks.exec(text)![0].length
    const found = token.exec(text)
    if (found === null) return start
    at = token.lastIndex
    const mark = found.groups?.["mark"]
    const isName = found.groups?.["text"] !== undefined && expected.startsWith("name")
    const isValue = mark === undefined && expected.startsWith("value")
    const isOpening = (mark === "{" || mark === "[") && expected.startsWith("value")
    const closed: string = mark === "}" ? "{" : mark === "]" ? "[" : ""
    const mayClose = expected === "more" || expected.endsWith(mark ?? "")
    const isClosing = closed !== "" && open.endsWith(closed) && mayClose
    if (isName) expected = ":"
    else if (isValue) expected = "more"
    else if (isOpening) {
      open += mark
      expected = mark === "{" ? "name or }" : "value or ]"
    } else if (isClosing) {
      open = open.slice(0, -1)
      expected = "more"
    } else if (mark === ":" && expected === ":") expected = "value"
    else if (mark === "," && expected === "more" && open !== "") {
      expected = open.endsWith("{") ? "name" : "value"
    } else return start
  }
}

/** Containers in each other that a body may have. What works on it after this may recurse. */
const jsonDepthMax = 32

const structure = /"(?:[^"\\]|\\.)*"|[{}[\],]/gsu

/**
 * Why JSON is not taken although it is JSON, as the end of a sentence about it: nested too deeply, or with names that
 * readers understand differently (RFC 8259 4: twice in one object; `__proto__`). No recursion.
 *
 * @param text what `parseJson` takes
 */
export function shapeFault(text: string): string | undefined {
  /** The names so far of each object around the present place, undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let isName = false
  for (const { 0: token, index } of text.matchAll(structure)) {
    const names = open.at(-1)
    if (token === "{" || token === "[") {
      if (open.length === jsonDepthMax) return `is nested more than ${jsonDepthMax} deep at position ${index}`
      open.push(token === "{" ? new Set() : undefined)
      isName = token === "{"
    } else if (token === "}" || token === "]") open.pop()
    else if (token === ",") isName = names !== undefined
    else if (isName) {
      isName = false
      const name = JSON.parse(token) as string
      if (name === "__proto__") return `has the name "__proto__" at position ${index}, which is not taken`
      if (names?.has(name) === true) return `has a name twice, again at position ${index}`
      names?.add(name)
    }
  }
  return undefined
}
