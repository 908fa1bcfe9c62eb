/**
 * docs/node-defaults.md says of every option of Node.js that matters whether its default is left. Here the source is
 * held to it, and so is the Node.js that runs it.
 */
import assert from "node:assert/strict"
import { getDefaultResultOrder } from "node:dns"
import { readdirSync, readFileSync } from "node:fs"
import { createServer, maxHeaderSize } from "node:http"
import { getDefaultAutoSelectFamily, getDefaultAutoSelectFamilyAttemptTimeout } from "node:net"
import { join, relative } from "node:path"
import { getDefaultHighWaterMark } from "node:stream"
import { test } from "node:test"
import { DEFAULT_ECDH_CURVE, DEFAULT_MAX_VERSION, DEFAULT_MIN_VERSION } from "node:tls"
import { isMark, type Token, tokensOf } from "../support/house/source-tokens.ts"

const root = join(import.meta.dirname, "..", "..")
const left = "as Node.js"

/** Calls that serve no client and reach no server: `file call`. */
const others: ReadonlySet<string> = new Set([
  // Asks whether a port is free, and for a turn.
  "src/net/ports.ts net.createServer",
  "src/net/ports.ts net.connect",
  "src/net/ports.ts server.listen",
  // Asks whether a certificate can be served.
  "src/config/certificates.ts tls.createSecureContext",
])

/** Options that one file of several leaves, as the document says: `file option`. */
const exceptions: ReadonlySet<string> = new Set([
  "src/control/api/node-listener.ts highWaterMark",
  "src/control/api/node-listener.ts reusePort",
  "src/proxy/backends/dial.ts ciphers",
  "src/proxy/backends/dial.ts secureOptions",
])

interface Call {
  readonly file: string
  /** As the document names it: `net.connect`. */
  readonly name: string
  /** All words in its arguments, and in the functions of the file that those call. */
  readonly words: ReadonlySet<string>
}

const required = optionsThatAreSet(readFileSync(join(root, "docs", "node-defaults.md"), "utf8"))
const calls = ["src/net", "src/config", "src/proxy", "src/control"].flatMap((folder) =>
  filesOf(folder).flatMap(callsIn),
)

test("the document names options for every kind of call that the source makes, and no other kinds", () => {
  const made = new Set(calls.map(({ name }) => name))
  assert.deepEqual([...made].toSorted(), [...required.keys()].toSorted())
})

test("every call sets the options whose defaults are not left", () => {
  const missing = calls.flatMap(({ file, name, words }) =>
    others.has(`${file} ${name}`)
      ? []
      : (required.get(name) ?? [])
          .filter((option) => !words.has(option) && !exceptions.has(`${file} ${option}`))
          .map((option) => `${file}: ${name} without ${option}`),
  )
  assert.deepEqual(missing, [])
})

test("what a call leaves out is noticed", () => {
  const source =
    'import { connect as dial } from "node:net"\ndial({ host, ...placed(1) })\nfunction placed() { return { port } }'
  const [call] = callsOf(source, "x.ts")
  assert.equal(call?.name, "net.connect")
  assert.deepEqual(
    [...call.words].filter((word) => word === "host" || word === "port" || word === "noDelay"),
    ["host", "port"],
  )
})

test("the defaults of this Node.js are those that the document says", (t) => {
  const server = createServer()
  t.after(() => server.close())
  assert.deepEqual(
    [
      getDefaultAutoSelectFamily(),
      getDefaultAutoSelectFamilyAttemptTimeout(),
      getDefaultHighWaterMark(false),
    ],
    [true, 250, 64 * 1024],
  )
  assert.deepEqual(
    [DEFAULT_MIN_VERSION, DEFAULT_MAX_VERSION, DEFAULT_ECDH_CURVE],
    ["TLSv1.2", "TLSv1.3", "auto"],
  )
  assert.equal(getDefaultResultOrder(), "verbatim")
  assert.deepEqual(
    [maxHeaderSize, server.headersTimeout, server.requestTimeout],
    [16 * 1024, 60_000, 300_000],
  )
})

/** By call, the options of its table that are not left. */
function optionsThatAreSet(document: string): ReadonlyMap<string, readonly string[]> {
  const [, ...sections] = document.split(/^### /m)
  return new Map(
    sections.map((section) => {
      const [, name = ""] = /^`([^`]+)`/.exec(section) ?? []
      const rows = [...section.matchAll(/^\| (`[^|]+) \| [^|]+ \| ([^|]+) \|/gm)]
      const set = rows.filter(([, , here = ""]) => !here.startsWith(left))
      return [
        name,
        set.flatMap(([, options = ""]) => [...options.matchAll(/`([^`]+)`/g)].map(([, one]) => one!)),
      ]
    }),
  )
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => join(root, folder, file))
}

function callsIn(path: string): readonly Call[] {
  return callsOf(readFileSync(path, "utf8"), relative(root, path))
}

function callsOf(source: string, file: string): readonly Call[] {
  const tokens = tokensOf(source)
  const names = importedCalls(source)
  return tokens.flatMap((token, at): Call[] => {
    if (token.kind !== "word" || !isMark(tokens[at + 1], "(")) return []
    const isListen = token.text === "listen" && tokens[at - 2]?.text === "server"
    const name = isListen ? "server.listen" : names.get(token.text)
    if (name === undefined || (!isListen && isMark(tokens[at - 1], "."))) return []
    return [{ file, name, words: wordsOf(tokens, at + 1) }]
  })
}

/** By their names in the file, the calls that the document may speak of. */
function importedCalls(source: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const [, words = "", module = ""] of source.matchAll(
    /^(?:import|const) \{([^}]*)\} (?:from |= process\.getBuiltinModule\()"node:(net|tls|http|dns)(?:\/promises)?"/gm,
  )) {
    for (const word of words.split(",")) {
      const [name = "", alias = name] = word.trim().split(" as ")
      if (/^(createServer|connect|createSecureContext|request|lookup|Resolver)$/.test(name))
        names.set(alias, `${module}.${name}`)
    }
  }
  return names
}

/** The words between the bracket at `at` and its partner, and in the bodies of what is called there, and so on. */
function wordsOf(tokens: readonly Token[], at: number, words = new Set<string>()): ReadonlySet<string> {
  const end = endOf(tokens, at)
  for (let i = at; i < end; i++) {
    const { kind, text } = tokens[i]!
    if (kind !== "word") continue
    const body = isMark(tokens[i + 1], "(") && !words.has(text) ? bodyOf(tokens, text) : -1
    words.add(text)
    if (body !== -1) wordsOf(tokens, body, words)
  }
  return words
}

/** Where the body of a function or method begins that the file declares; -1 where it declares no such thing. */
function bodyOf(tokens: readonly Token[], name: string): number {
  const at = tokens.findIndex(
    ({ kind, text }, i) =>
      kind === "word" &&
      text === name &&
      isMark(tokens[i + 1], "(") &&
      (tokens[i - 1]?.text === "function" || (name.startsWith("#") && !isMark(tokens[i - 1], "."))),
  )
  if (at === -1) return -1
  // The first brace behind the parameters begins the body: result types are written without.
  const parametersEnd = endOf(tokens, at + 1)
  return tokens.findIndex((token, i) => i > parametersEnd && isMark(token, "{"))
}

/** The index of the bracket that closes the one at `at`. */
function endOf(tokens: readonly Token[], at: number): number {
  let depth = 0
  for (let i = at; i < tokens.length; i++) {
    if (isMark(tokens[i], "(") || isMark(tokens[i], "{") || isMark(tokens[i], "[")) depth++
    else if (isMark(tokens[i], ")") || isMark(tokens[i], "}") || isMark(tokens[i], "]")) depth--
    if (depth === 0) return i
  }
  return tokens.length
}
