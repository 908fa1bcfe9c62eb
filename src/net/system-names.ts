/**
 * The files in which a system says how names are resolved, read as the C library reads them: hosts(5),
 * resolv.conf(5), nsswitch.conf(5). What is not understood is passed over, as there.
 */
import { isIP } from "node:net"
import { normalHost } from "../core/host.ts"

/** The addresses of each name, in its normal form, in the file's order. */
export type Hosts = ReadonlyMap<string, readonly string[]>

export interface ResolvConf {
  /** What is put behind names that are not whole. */
  readonly search: readonly string[]
  /** A name with so many dots is first tried as it is. */
  readonly ndots: number
  /** How long one server has; undefined where the file says nothing. */
  readonly timeoutSeconds: number | undefined
  /** How often each server is asked; undefined where the file says nothing. */
  readonly attempts: number | undefined
}

/** Most of `ndots`, `timeout` and `attempts` that glibc takes. */
const ndotsMax = 15
const timeoutSecondsMax = 30
const attemptsMax = 5

export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>()
  for (const words of linesOf(text, /#.*/)) {
    const [address = "", ...names] = words
    if (isIP(address) === 0) continue
    for (const name of names.map(normalHost)) {
      const known = hosts.get(name)
      if (known === undefined) hosts.set(name, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return hosts
}

/** @param hostName of this machine: what is behind its first dot is searched where the file says nothing */
export function parseResolvConf(text: string, hostName = ""): ResolvConf {
  let search: readonly string[] = hostName.includes(".") ? [hostName.slice(hostName.indexOf(".") + 1)] : []
  const options = new Map<string, number>()
  for (const [keyword, ...words] of linesOf(text, /^[;#].*/)) {
    // The last of these lines counts.
    if (keyword === "search") search = words
    else if (keyword === "domain") search = words.slice(0, 1)
    else if (keyword === "options") {
      for (const word of words) {
        const [, name, value] = /^(ndots|timeout|attempts):([0-9]+)$/.exec(word) ?? []
        if (name !== undefined) options.set(name, Number(value))
      }
    }
  }
  return {
    search: search.map((domain) => domain.replace(/\.$/, "")).filter((domain) => domain !== ""),
    ndots: Math.min(options.get("ndots") ?? 1, ndotsMax),
    timeoutSeconds: atLeastOne(options.get("timeout"), timeoutSecondsMax),
    attempts: atLeastOne(options.get("attempts"), attemptsMax),
  }
}

/** Where the system looks for hosts: `files`, `dns` and others; of a file that does not say it, these two. */
export function parseNameSources(text: string): readonly string[] {
  for (const [keyword, ...words] of linesOf(text, /#.*/)) {
    if (keyword === "hosts:") return words.filter((word) => /^[a-z0-9_]+$/i.test(word))
  }
  return ["files", "dns"]
}

/** The whole names that a name may stand for, in the order in which they are asked for: see resolv.conf(5). */
export function candidatesOf(name: string, { ndots, search }: ResolvConf): readonly string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)]
  const longer = search.map((domain) => `${name}.${domain}`)
  const dots = name.split(".").length - 1
  return dots >= ndots ? [name, ...longer] : [...longer, name]
}

function linesOf(text: string, comment: RegExp): readonly (readonly string[])[] {
  return text.split("\n").flatMap((line) => {
    const words = line.replace(comment, "").split(/\s+/).filter(Boolean)
    return words.length === 0 ? [] : [words]
  })
}

function atLeastOne(value: number | undefined, most: number): number | undefined {
  return value === undefined ? undefined : Math.min(Math.max(value, 1), most)
}
