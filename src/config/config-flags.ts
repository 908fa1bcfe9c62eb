import { valueAt } from "../text/issue.ts"

/** Which setting each flag replaces. */
const flagSettings = {
  "--listen": ["listen"],
  "--registration": ["registration", "listen"],
  "--admin": ["admin", "listen"],
  "--policy": ["policy"],
  "--workers": ["workers"],
  "--seed": ["seed"],
} as const satisfies Record<string, readonly string[]>

/** Settings from the command line, as they were typed. */
export type ConfigFlags = { readonly [flag in keyof typeof flagSettings]?: string | undefined } & {
  /** Addresses of backends, beside those of the file. */
  readonly "--to"?: readonly string[]
}

/**
 * Puts flags over a configuration as written. A section that is not a mapping, or a list that is none, stays as it is,
 * so that its own mistake is the one reported.
 *
 * @returns the configuration, and the flag by setting (`registration.listen`, `backends[2]`) of all that were put in
 *   place.
 */
export function applyFlags(
  config: unknown,
  flags: ConfigFlags,
): { readonly value: unknown; readonly flags: ReadonlyMap<string, string> } {
  const applied = new Map<string, string>()
  let value = config
  for (const [flag, path] of Object.entries(flagSettings)) {
    const text = flags[flag as keyof typeof flagSettings]
    if (text === undefined) continue
    const [first, second] = path
    const typed = /^[0-9]{1,16}$/.test(text) ? Number(text) : text
    const setting = second === undefined ? typed : put(valueAt(value, [first]) ?? {}, second, typed)
    value = put(value ?? {}, first, setting)
    applied.set(path.join("."), flag)
  }
  const { "--to": addresses = [] } = flags
  const listed = valueAt(value, ["backends"]) ?? []
  if (addresses.length > 0 && Array.isArray(listed)) {
    value = put(value ?? {}, "backends", [...(listed as unknown[]), ...addresses])
    for (const index of addresses.keys()) applied.set(`backends[${listed.length + index}]`, "--to")
  }
  return { value, flags: applied }
}

function put(mapping: unknown, key: string, value: unknown): unknown {
  return typeof mapping === "object" && !Array.isArray(mapping) ? { ...mapping, [key]: value } : mapping
}
