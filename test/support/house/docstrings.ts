/** What an editor shows of the names that a package exports, from its `.d.ts` files as the compiler writes them. */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The exported names of an entry that have no docstring, and the members of exported types that have none. */
export function undocumented(entry: string): string[] {
  return declarationsOf(entry).flatMap(({ file, name }) => {
    const lines = readFileSync(file, "utf8").split("\n")
    const start = lines.findIndex((line) => declares(line, name))
    if (start === -1) return [`${name}: not found in ${file}`]
    const end = lines.findIndex((line, index) => index >= start && line.startsWith("}"))
    const isBody = /^export (declare )?(abstract )?(interface|class)\b/.test(lines[start]!)
    const body = isBody ? lines.slice(start + 1, end) : []
    const found = endsDoc(lines[start - 1]) ? [] : [name]
    for (const member of body.flatMap((line, index) => memberOf(line, body[index - 1])))
      found.push(`${name}.${member}`)
    return found
  })
}

/** Where each name of an entry is declared. */
function declarationsOf(file: string): { readonly file: string; readonly name: string }[] {
  const text = readFileSync(file, "utf8")
  const own = [
    ...text.matchAll(/^export (?:declare )?(?:abstract )?(?:function|class|interface|type|const) (\w+)/gm),
  ]
  const passed = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)]
  return [
    ...own.map(([, name]) => ({ file, name: name! })),
    ...passed.flatMap(([, names, from]) => {
      const target = join(dirname(file), from!.replace(/\.(?:js|ts)$/, ".d.ts"))
      const wanted = names!.split(",").map((name) => name.trim().replace(/^type /, ""))
      return declarationsOf(target).filter(({ name }) => wanted.includes(name))
    }),
  ]
}

function declares(line: string, name: string): boolean {
  return new RegExp(
    `^export (?:declare )?(?:abstract )?(?:function|class|interface|type|const) ${name}\\b`,
  ).test(line)
}

/** The member that a line of a body declares without a docstring before it. */
function memberOf(line: string, before: string | undefined): string[] {
  const [, name] = /^ {4}(?:readonly |get |static )*(\[Symbol\.\w+\]|\w+)[?(:<]/.exec(line) ?? []
  return name === undefined || endsDoc(before) ? [] : [name]
}

function endsDoc(line: string | undefined): boolean {
  return line !== undefined && line.trimEnd().endsWith("*/")
}
