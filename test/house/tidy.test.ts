/**
 * What a machine can check of how the house is kept: which room may import which, one clock, no dead files, papers that
 * name what is there. Each failure is a list of `file:line: what is wrong`.
 */

import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { basename, dirname, join, posix } from "node:path"
import { test } from "node:test"
import { commands } from "../../src/cli/commands.ts"
import {
  exportsOf,
  type Import,
  importsOf,
  isMark,
  linesOf,
  type Token,
  tokensOf,
  typesOf,
} from "../support/house/source-tokens.ts"

const root = join(import.meta.dirname, "..", "..")
const files = filesOfTheHouse()

interface Source {
  readonly path: string
  readonly isTest: boolean
  readonly tokens: readonly Token[]
  readonly imports: readonly Import[]
}

/** Every TypeScript file of the house. */
const sources: readonly Source[] = files
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const tokens = tokensOf(read(path))
    return { path, isTest: path.endsWith(".test.ts"), tokens, imports: importsOf(tokens) }
  })
const production = sources.filter(({ path, isTest }) => path.startsWith("src/") && !isTest)

interface Room {
  readonly imports: readonly string[]
  /** Rooms of which only types are seen. */
  readonly types?: readonly string[]
  readonly packages?: readonly string[]
  readonly node?: true
}

/**
 * The rooms and their doors. A folder that has a row of its own is a room within its room. A file directly in src/
 * (balancer.ts, system.ts) is in none.
 */
const rooms: Readonly<Record<string, Room>> = {
  core: { imports: [] },
  text: { imports: ["core"], packages: ["zod", "yaml"] },
  net: { imports: ["core", "text"], node: true },
  http1: { imports: ["core"] },
  "http1/streams": { imports: ["core", "net", "http1"], types: ["config"], node: true },
  metrics: { imports: ["core"] },
  policies: { imports: ["core", "text"] },
  routing: { imports: ["core"] },
  membership: { imports: ["core"] },
  placing: { imports: ["core", "policies", "membership"] },
  learning: { imports: ["core", "policies", "routing"], types: ["membership"] },
  proxy: {
    imports: [
      "core",
      "net",
      "http1",
      "http1/streams",
      "metrics",
      "policies",
      "routing",
      "membership",
      "placing",
      "learning",
    ],
    types: ["config"],
    node: true,
  },
  config: {
    imports: ["core", "text", "http1", "policies", "routing", "membership", "placing"],
    packages: ["zod", "yaml"],
    node: true,
  },
  control: {
    imports: [
      "core",
      "text",
      "net",
      "http1",
      "metrics",
      "policies",
      "routing",
      "membership",
      "placing",
      "learning",
      "proxy",
      "config",
    ],
    packages: ["zod", "yaml"],
    node: true,
  },
  dashboard: { imports: [], types: ["control"] },
  sim: {
    imports: ["core", "text", "metrics", "policies", "routing", "membership", "placing", "learning"],
    packages: ["highs", "yaml", "zod"],
  },
  announce: { imports: ["core"], node: true },
  load: { imports: ["core", "text", "http1", "metrics", "sim"], packages: ["zod"], node: true },
}
/** May import anything below them. */
const openRooms: readonly string[] = ["live", "cli"]

/** What runs by itself or is imported by others: all that it exports is for them. */
const entries: readonly string[] = [
  "src/cli/main.ts",
  "src/dashboard/page.ts",
  ...Object.values(
    (JSON.parse(read("package.json")) as { readonly exports: Readonly<Record<string, Entry>> }).exports,
  ).map((entry) => posix.normalize(entry["linebacker-source"])),
]

interface Entry {
  readonly "linebacker-source": string
}

/** More files than this, tests included, and a folder is a drawer. */
const folderMax = 30

/** Where real time and real chance come in; all others are given both, and see at most their types. */
const systemUsers =
  /^src\/(balancer\.ts|cli\/.*|live\/.*|announce\/.*|proxy\/threads\/worker\.ts|load\/(worker|spam)\.ts)$/

test("every folder of src is a room that this test knows", () => {
  const folders = new Set(production.flatMap(({ path }) => roomOf(path) ?? []))
  assert.deepEqual(
    [...folders].filter((name) => rooms[name] === undefined && !openRooms.includes(name)),
    [],
  )
})

test("rooms import only from where their doors lead", () => {
  const wrong = production.flatMap(({ path, imports }) => {
    const name = roomOf(path)
    const room = name === undefined ? undefined : rooms[name]
    if (room === undefined) return []
    // Where a module is loaded that no file names, another test looks at.
    return imports.flatMap((imported) => {
      if (imported.specifier === "") return []
      const reason = wrongImport(path, name!, room, imported)
      return reason === undefined ? [] : [`${path}:${imported.line}: ${reason}`]
    })
  })
  none(wrong)
})

test("an exchange knows no protocol", () => {
  const parts =
    /^src\/proxy\/(exchange|exchange-context|exit|request-body|request-record|response-facts|stickiness|weigher)\.ts$/
  const known = production.filter(({ path }) => parts.test(path))
  assert.equal(known.length, 8)
  none(
    known.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => roomOf(resolved(path, specifier) ?? "")?.startsWith("http"))
        .map(({ specifier, line }) => `${path}:${line}: ${specifier}`),
    ),
  )
})

test("no folder is a drawer", () => {
  const counts = new Map<string, number>()
  for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  none(
    [...counts]
      .filter(([, count]) => count > folderMax)
      .map(([folder, count]) => `${folder}: ${count} files`),
  )
})

test("nothing below the command line imports it", () => {
  none(
    production
      .filter(({ path }) => roomOf(path) !== "cli")
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ specifier }) => roomOf(resolved(path, specifier) ?? "") === "cli")
          .map(({ line }) => `${path}:${line}`),
      ),
  )
})

test("only the edges of the program touch system.ts", () => {
  none(
    production.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, typeOnly }) => resolved(path, specifier) === "src/system.ts" && !typeOnly)
        .filter(() => !systemUsers.test(path))
        .map(({ line }) => `${path}:${line}: time and chance are given, not imported`),
    ),
  )
})

test("only system.ts has real time, timers and chance", () => {
  // A Date that something else has made may be passed on: that is a type.
  const time = [
    "new Date",
    "Date .",
    "Date (",
    "performance . now",
    "performance . timeOrigin",
    "process . hrtime",
  ]
  const chance = ["Math . random", "randomBytes", "randomInt", "randomUUID", "getRandomValues"]
  const timers = ["setTimeout", "setInterval", "setImmediate"]
  const wrongIn = ({ tokens, imports }: Source): { readonly line: number; readonly what: string }[] => {
    const named = [...time, ...chance].flatMap((sequence) =>
      linesOf(tokens, sequence).map((line) => ({ line, what: sequence.replaceAll(" ", "") })),
    )
    // The time limit of a socket is a method.
    const set = tokens.filter(({ text }, index) => timers.includes(text) && !isMark(tokens[index - 1], "."))
    const imported = imports.filter(({ specifier }) => specifier.startsWith("node:timers"))
    return named
      .concat(set.map(({ line, text }) => ({ line, what: text })))
      .concat(imported.map(({ line, specifier }) => ({ line, what: specifier })))
  }
  none(
    production
      // The page runs in a browser, the commands at a person's keyboard.
      .filter(({ path }) => path !== "src/system.ts" && !/^src\/(dashboard|cli)\//.test(path))
      .flatMap((source) => wrongIn(source).map(({ line, what }) => `${source.path}:${line}: ${what}`)),
  )
})

test("every import can be followed, and every relative one leads to a file, with its extension", () => {
  none(
    sources.flatMap(({ path, imports }) =>
      imports.flatMap(({ specifier, line }) => {
        if (specifier === "") {
          // Policies of the user's own are modules that the settings or the command line name.
          return path === "src/proxy/own-policies.ts"
            ? []
            : [`${path}:${line}: import() of something that is not written there`]
        }
        const target = resolved(path, specifier)
        return target === undefined || files.includes(target)
          ? []
          : [`${path}:${line}: there is no ${target}`]
      }),
    ),
  )
})

test("there are no barrels but the table of policies and the library's door, and no default exports", () => {
  none(
    sources.flatMap(({ path, tokens, imports }) => {
      const isTable = path === "src/policies/index.ts"
      // What a program imports by the package's name has to be in one place, wherever it is declared.
      const isDoor = path === "src/index.ts"
      const stars = isTable ? [] : linesOf(tokens, "export *").map((line) => `${path}:${line}: export *`)
      // Node.js takes a reporter of tests by its default export.
      const isReporter = path === "scripts/quiet-reporter.ts"
      const defaults = (isReporter ? [] : ["export default", "as default"]).flatMap((sequence) =>
        linesOf(tokens, sequence).map((line) => `${path}:${line}: ${sequence}`),
      )
      const again = imports.filter((imported) => imported.again).length
      const exported = tokens.filter(({ kind, text }) => kind === "word" && text === "export").length
      const isBarrel = again > 0 && again === exported
      const isIndex = basename(path) === "index.ts"
      const barrels =
        !isTable && !isDoor && (isBarrel || isIndex) ? [`${path}:1: a file that only passes on`] : []
      return [...stars, ...defaults, ...barrels]
    }),
  )
})

test("types only erase: no enum, namespace or parameter property", () => {
  none(
    sources.flatMap(({ path, tokens }) =>
      tokens.flatMap((token, index) => {
        if (token.kind !== "word" || isMark(tokens[index - 1], ".")) return []
        const [next, afterNext] = [tokens[index + 1], tokens[index + 2]]
        const opensBlock = next?.kind === "word" && isMark(afterNext, "{")
        if (opensBlock && ["enum", "namespace", "module"].includes(token.text)) {
          return [`${path}:${token.line}: ${token.text}`]
        }
        if (token.text !== "constructor" || !isMark(next, "(")) return []
        return parameterProperties(tokens, index + 1).map((line) => `${path}:${line}: parameter property`)
      }),
    ),
  )
})

test("files are named in kebab-case after the one thing inside", () => {
  // Python's modules cannot be; README.md is a name of its own.
  const code = files.filter(
    (path) => /^(src|test|bench|scripts|examples)\//.test(path) && !/\.py$|(^|\/)README\.md$/.test(path),
  )
  none(code.filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(basename(path))))
})

test("no file is dead", () => {
  // Threads and child processes are named by strings: new URL("./worker.ts", import.meta.url).
  const reached = reachedFrom(entries, ({ tokens }) =>
    tokens.flatMap(({ kind, text }) => (kind === "string" ? text : [])),
  )
  none(production.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path}: nothing leads here`))
})

test("no name is exported for tests alone", () => {
  const used = new Set<string>()
  for (const { path, imports } of sources.filter(
    ({ path, isTest }) => !isTest && !path.startsWith("test/"),
  )) {
    for (const { specifier, names } of imports) {
      for (const name of names) used.add(`${resolved(path, specifier)} ${name}`)
    }
  }
  none(
    production
      .filter(({ path }) => !entries.includes(path) && !used.has(`${path} *`))
      .flatMap(({ path, tokens }) =>
        exportsOf(tokens)
          .filter(({ name }) => !used.has(`${path} ${name}`))
          // A caller may name the type of what it gives or gets, so a type may be exported where its own file uses it.
          .filter(({ name, kind }) => !isType(kind) || !isUsedHere(tokens, name))
          .map(
            ({ name, line }) =>
              `${path}:${line}: ${name} is exported, and no other file of the program imports it`,
          ),
      ),
  )
})

test("no type name is declared in two files", () => {
  const places = new Map<string, string[]>()
  for (const { path, tokens } of production) {
    for (const { name, line } of typesOf(tokens)) {
      places.set(name, [...(places.get(name) ?? []), `${path}:${line}`])
    }
  }
  none(
    [...places]
      .filter(([, found]) => found.length > 1)
      .map(([name, found]) => `${name}: ${found.join(", ")}`),
  )
})

test("the solver of linear programs is loaded only by what solves one", () => {
  const program = "src/sim/fluid-program.ts"
  const wrong = production.flatMap(({ path, imports }) =>
    imports
      .filter(
        ({ specifier, typeOnly, lazy }) => specifier === "highs" && !typeOnly && !(lazy && path === program),
      )
      .map(({ line }) => `${path}:${line}: imports it`),
  )
  const withoutIt = ["serve", "validate", "demo", "backend", "policies"].map((name) => `src/cli/${name}.ts`)
  const libraries = entries.filter((path) =>
    /^src\/(balancer|index|announce\/.*|policies\/.*)\.ts$/.test(path),
  )
  for (const start of [...withoutIt, ...libraries]) {
    const loaded = reachedFrom([start], ({ imports }) =>
      imports.flatMap((one) => (one.typeOnly ? [] : one.specifier)),
    )
    if (loaded.has(program)) wrong.push(`${start} leads to it`)
  }
  none(wrong)
})

test("relative links in documents lead somewhere", () => {
  none(
    documents().flatMap(({ path, lines }) =>
      lines.flatMap(({ text, line, fence }) => {
        if (fence !== undefined) return []
        const links = text.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)/g)
        return [...links].flatMap(([, inline, reference]) => {
          const link = decodeURI((inline ?? reference!).replace(/[#?].*$/, ""))
          if (link === "" || /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(link)) return []
          const target = join(root, link.startsWith("/") ? "" : dirname(path), link)
          return existsSync(target) ? [] : [`${path}:${line}: ${link}`]
        })
      }),
    ),
  )
})

test("the code map in ARCHITECTURE.md is the folders of src", (t) => {
  const architecture = documents().find(({ path }) => path === "ARCHITECTURE.md")
  if (architecture === undefined) return t.skip("there is no ARCHITECTURE.md yet")
  const { lines } = architecture
  const start = lines.findIndex((line) => isHeading(line) && /rooms|code map/i.test(line.text))
  assert.notEqual(
    start,
    -1,
    'ARCHITECTURE.md needs a heading "Rooms", and below it every folder as `src/name`',
  )
  const end = lines.findIndex((line, index) => index > start && isHeading(line))
  const map = lines.slice(start, end === -1 ? undefined : end).map(({ text }) => text)
  const named = map.join("\n").matchAll(/`src\/([a-z0-9]+)\/?`/g)
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  assert.deepEqual(
    [...new Set([...named].map(([, name]) => name!))].toSorted(),
    folders.map(({ name }) => name).toSorted(),
  )
})

test("commands in README.md exist", (t) => {
  const readme = documents().find(({ path }) => path === "README.md")
  if (readme === undefined) return t.skip("there is no README.md yet")
  const { scripts } = JSON.parse(read("package.json")) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  none(
    readme.lines
      .filter(({ fence }) => fence === "sh")
      .flatMap(({ text, line }) => {
        const words = text.trim().replace(/^\$ /, "").split(/\s+/)
        return isKnownCommand(words, scripts) ? [] : [`README.md:${line}: ${text.trim()}`]
      }),
  )
})

test("nothing names a machine, a home folder or a package registry", () => {
  // Put together here, so that this file does not name them itself.
  const folders = ["work", "root", "home"].map((name) => `/${name}/`)
  const registries = [["registry", "npmjs", "org"].join("."), ["npm", "pkg", "github", "com"].join(".")]
  const configured = process.env["npm_config_registry"]
  if (configured !== undefined && URL.canParse(configured)) registries.push(new URL(configured).host)
  none(
    files
      .filter((path) => /\.(ts|c?js|json|md|ya?ml|html|css|sh)$|^[^.]*$|^\.[a-z]+$/.test(path))
      .flatMap((path) =>
        read(path)
          .split("\n")
          .flatMap((text, index) =>
            [
              ...folders.filter((folder) => pathStarts(text, folder)),
              ...registries.filter((host) => text.includes(host)),
            ].map((found) => `${path}:${index + 1}: ${found}`),
          ),
      ),
  )
})

/** Words for persons. A program is *it*, or has a name: the client, the backend, another process. */
const personal = /\b(?:[Ww]hoever|[Ww]hom|([Nn]o|[Ss]ome|[Aa]ny|[Ee]very)body|([Ss]ome|[Aa]ny|[Ee]very)one)\b/
/** Requests come *per* second. */
const rate = /\b(?:requests|units|bytes|tokens|once|twice) an? (?:second|minute|hour)\b/i
/** In documents, requests get responses. */
const answer = /\banswer(?:s|ed|ing)?\b/i
/** Texts that are quoted as they are. */
const quoted = ["Nobody inspects the spammish repetition"]

test("programs are not called as persons are, rates are per second, requests get responses", () => {
  const spoken =
    /^((src|test|bench|scripts|docs|examples|deploy|bin)\/.*|[^/]*)(\.(ts|c?js|md|ya?ml|sh|py|html|css)|\/linebacker|Dockerfile)$/
  none(
    files
      .filter((path) => spoken.test(path) && path !== "test/house/tidy.test.ts")
      .flatMap((path) =>
        read(path)
          .split("\n")
          .flatMap((text, index) => {
            const forbidden = path.endsWith(".md") ? [personal, rate, answer] : [personal, rate]
            const [found] = forbidden.flatMap((words) => words.exec(text)?.[0] ?? [])
            const isQuoted = quoted.some((quotation) => text.includes(quotation))
            return found === undefined || isQuoted ? [] : [`${path}:${index + 1}: "${found}"`]
          }),
      ),
  )
})

test("the scanner sees imports and words, and is not fooled by what only looks like them", () => {
  const tokens = tokensOf(
    [
      'import { a, type B } from "./a.ts"',
      'import type { C } from "./c.ts"',
      'import { type D, type E } from "./d.ts"',
      'import f, * as g from "node:f"',
      'import "./side-effect.ts"',
      'export type { H } from "./h.ts"',
      'export * as i from "./i.ts"',
      'const later = async () => await import("./later.ts")',
      'type Far = import("./far.ts").Far',
      "const unknown = import(`./${name}.ts`)",
      "export { local }",
      'export const from = "./no.ts"',
      '// import "./comment.ts"',
      '/* import "./comment.ts" */',
      'const text = \'import "./string.ts"\' + `import "./template.ts" ${a + `${b}`} Date.now()`',
      'const slash = /"import "\\/[/"]/.test(x) / 2 / y // "',
      "import.meta.url",
      "x = { a: { b: `${{ c: Date.now() }.c}` } }",
    ].join("\n"),
  )
  assert.deepEqual(
    importsOf(tokens).map(({ specifier, typeOnly, again, line }) =>
      [line, specifier, typeOnly ? "type" : "", again ? "again" : ""].join(" ").trim(),
    ),
    [
      "1 ./a.ts",
      "2 ./c.ts type",
      "3 ./d.ts type",
      "4 node:f",
      "5 ./side-effect.ts",
      "6 ./h.ts type again",
      "7 ./i.ts  again",
      "8 ./later.ts",
      "9 ./far.ts",
      "10",
    ],
  )
  assert.deepEqual(linesOf(tokens, "Date . now"), [18])
})

test("the scanner sees what is imported, exported and declared by name", () => {
  const tokens = tokensOf(
    [
      'import { a, type B as C, as } from "./a.ts"',
      'import d, * as e from "./d.ts"',
      'export * from "./all.ts"',
      'export { type F, g as h } from "./f.ts"',
      'const { i, j: k } = await import("./i.ts")',
      'const l = (await import("./l.ts")).m',
      'type N = import("./n.ts").O',
      'void import("./p.ts").then(({ q }) => q)',
      "export const r = 1, type = { class: 2, interface: 3 }",
      "export async function* s() {}",
      "export abstract class T<U> extends V {}",
      "interface W { type: string }",
      "export type { W }",
      "export type X = keyof typeof type",
    ].join("\n"),
  )
  assert.deepEqual(
    importsOf(tokens).map(({ names, lazy }) => `${names.join(" ")}${lazy ? " later" : ""}`),
    ["a B as", "*", "*", "F g", "i j later", "m later", "O later", "* later"],
  )
  assert.deepEqual(
    exportsOf(tokens).map(({ name, kind }) => `${kind} ${name}`),
    ["export F", "export h", "const r", "function s", "class T", "export W", "type X"],
  )
  assert.deepEqual(
    typesOf(tokens).map(({ name, line }) => `${name} ${line}`),
    ["N 7", "T 11", "W 12", "X 14"],
  )
})

/** Everything that is or will be committed; without git, everything but what is installed or built. */
function filesOfTheHouse(): string[] {
  try {
    const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
    return listed.split("\0").filter((path) => path !== "" && isFile(path))
  } catch {
    const skipped = /(^|\/)(node_modules|dist|coverage|\.git)(\/|$)/
    const all = readdirSync(root, { recursive: true, encoding: "utf8" })
    return all.filter((path) => !skipped.test(path) && isFile(path))
  }
}

function isFile(path: string): boolean {
  return statSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8")
}

function none(wrong: readonly string[]): void {
  assert.equal(wrong.length, 0, `\n  ${wrong.join("\n  ")}`)
}

/** The room that a file is in: the folder under src/, or the one below that where it has a row of its own. */
function roomOf(path: string): string | undefined {
  const [, folder, below] = /^src\/([^/]+)\/(?:([^/]+)\/)?/.exec(path) ?? []
  const within = `${folder}/${below}`
  return rooms[within] === undefined ? folder : within
}

/** The files of src that these lead to, themselves included, by relative specifiers. */
function reachedFrom(starts: readonly string[], leadsTo: (source: Source) => readonly string[]): Set<string> {
  const reached = new Set<string>()
  const pending = [...starts]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const from = path
    const source = production.find((candidate) => candidate.path === from)
    if (source === undefined || reached.has(from)) continue
    reached.add(from)
    pending.push(...leadsTo(source).flatMap((specifier) => resolved(from, specifier) ?? []))
  }
  return reached
}

function isType(kind: string): boolean {
  return kind === "interface" || kind === "type"
}

/** Whether a file says this name more often than once. */
function isUsedHere(tokens: readonly Token[], name: string): boolean {
  return tokens.filter(({ kind, text }) => kind === "word" && text === name).length > 1
}

/** The file that a relative specifier means. */
function resolved(from: string, specifier: string): string | undefined {
  return /^\.\.?\//.test(specifier) ? posix.join(posix.dirname(from), specifier) : undefined
}

function wrongImport(path: string, name: string, room: Room, imported: Import): string | undefined {
  const { specifier, typeOnly } = imported
  if (specifier.startsWith("node:")) return room.node ? undefined : `${name}/ imports nothing from Node`
  const target = resolved(path, specifier)
  if (target === undefined) {
    const isAllowed = room.packages?.some((known) => specifier === known || specifier.startsWith(`${known}/`))
    return isAllowed ? undefined : `${name}/ does not import the package ${specifier}`
  }
  // Which rooms may use it as more than a type is another test.
  if (target === "src/system.ts") return room.node ? undefined : `${name}/ knows no system`
  const other = roomOf(target)
  if (other === undefined) return `${name}/ does not import ${target}`
  if (other === name || room.imports.includes(other)) return undefined
  if (room.types?.includes(other)) return typeOnly ? undefined : `${name}/ imports only types from ${other}/`
  return `${name}/ does not import from ${other}/`
}

/** The lines of modifiers among a constructor's parameters; `open` is its parenthesis. */
function parameterProperties(tokens: readonly Token[], open: number): number[] {
  const lines: number[] = []
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    const { kind, text, line } = tokens[i]!
    if (kind === "mark" && "([{".includes(text)) depth++
    if (kind === "mark" && ")]}".includes(text) && --depth === 0) break
    const begins = isMark(tokens[i - 1], "(") || isMark(tokens[i - 1], ",")
    const isModifier = kind === "word" && /^(public|private|protected|readonly|override)$/.test(text)
    if (depth === 1 && begins && isModifier && tokens[i + 1]?.kind === "word") lines.push(line)
  }
  return lines
}

interface Line {
  readonly text: string
  readonly line: number
  /** The language of the code block that the line is in: "" when it has none, undefined outside. */
  readonly fence: string | undefined
}

function isHeading({ text, fence }: Line): boolean {
  return fence === undefined && text.startsWith("#")
}

function documents(): { readonly path: string; readonly lines: readonly Line[] }[] {
  return files
    .filter((path) => path.endsWith(".md"))
    .map((path) => {
      let fence: string | undefined
      const lines = read(path)
        .split("\n")
        .map((text, index): Line => {
          const mark = /^\s*(?:```|~~~)\s*(\S*)/.exec(text)
          const line = { text, line: index + 1, fence: mark === null ? fence : "" }
          if (mark !== null) fence = fence === undefined ? mark[1]! : undefined
          return line
        })
      return { path, lines }
    })
}

/** Lines that begin with neither npm nor the launcher are the commands of other programs. */
function isKnownCommand(words: readonly string[], scripts: Readonly<Record<string, string>>): boolean {
  const [program, command, script] = words
  if (program === "npm") {
    if (command === "run") return script !== undefined && Object.hasOwn(scripts, script)
    if (command === "start" || command === "test") return Object.hasOwn(scripts, command)
    return ["ci", "install", "i"].includes(command ?? "")
  }
  if (program !== "./bin/linebacker") return true
  const own = ["--help", "-h", "--version", "-v", "help"]
  return command !== undefined && (own.includes(command) || commands.some(({ name }) => name === command))
}

/** Whether a path that begins with this folder is in the text; `docs/root/x` and `https://host/home/x` are none. */
function pathStarts(text: string, folder: string): boolean {
  for (let at = text.indexOf(folder); at !== -1; at = text.indexOf(folder, at + 1)) {
    if (at === 0 || !/[A-Za-z0-9._-]/.test(text[at - 1]!)) return true
  }
  return false
}
