import { type Given, type Option, text } from "./command.ts"

/** The settings that `serve` and `demo` take as flags; they override the file. */
export const balancerOptions: Readonly<Record<string, Option>> = {
  listen: {
    type: "string",
    short: "o",
    value: "HOST:PORT",
    about: "Traffic; :5252 is every interface. Default :5252.",
  },
  registration: {
    type: "string",
    short: "i",
    value: "HOST:PORT",
    about: "Registration; :9797 is 127.0.0.1. Default :9797.",
  },
  admin: {
    type: "string",
    short: "f",
    value: "HOST:PORT",
    about: "Page and admin API; :9494 is 127.0.0.1. Default :9494.",
  },
  policy: { type: "string", value: "NAME", about: "How a backend is chosen. Default price." },
  workers: { type: "string", value: "N", about: "Data-plane threads, or auto for one a core." },
  seed: { type: "string", value: "N", about: "Makes simulated demand repeatable." },
}

/** A flag and the setting that it overrides. */
export interface FlagSetting {
  readonly flag: string
  readonly path: readonly string[]
  readonly value: unknown
}

const paths: Readonly<Record<string, readonly string[]>> = {
  listen: ["listen"],
  registration: ["registration", "listen"],
  admin: ["admin", "listen"],
  policy: ["policy"],
  workers: ["workers"],
  seed: ["seed"],
}

/** What was given of `balancerOptions`, as settings. Whole numbers are numbers, as they are in a file. */
export function flagsOf(given: Given): FlagSetting[] {
  return Object.entries(paths).flatMap(([flag, path]) => {
    const value = text(given, flag)
    if (value === undefined) return []
    return [{ flag: `--${flag}`, path, value: /^[0-9]+$/.test(value) ? Number(value) : value }]
  })
}
