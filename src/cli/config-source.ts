import type { Config } from "../config/config.ts"
import { loadConfig } from "../config/config-file.ts"
import { formatProblem } from "../text/problem.ts"
import { policies } from "../policies/index.ts"
import { type ExitCode, type Given, type Option, text, texts } from "./command.ts"
import type { Io } from "../text/io.ts"

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
  policy: { type: "string", value: "NAME", about: "How a backend is chosen. Default auto." },
  workers: { type: "string", value: "N", about: "Data-plane threads, or auto for one per core." },
  seed: { type: "string", value: "N", about: "Makes simulated demand repeatable." },
}

/**
 * The configuration of `-c FILE` (without it the defaults) under the flags. Prints every problem, and what has no
 * effect. Gives the exit code when there are any: a wrong flag is wrong use, a wrong file is an invalid one.
 */
export function configOf(given: Given, io: Io): Config | ExitCode {
  const config = loadConfig(text(given, "config"), {
    policies,
    env: process.env,
    onAdvice: (advice) => io.err(`${formatProblem(advice)}\n`),
    flags: {
      "--listen": text(given, "listen"),
      "--registration": text(given, "registration"),
      "--admin": text(given, "admin"),
      "--policy": text(given, "policy"),
      "--workers": text(given, "workers"),
      "--seed": text(given, "seed"),
      "--to": texts(given, "to"),
    },
  })
  if (config.ok) return config.value
  for (const problem of config.error) io.err(`${formatProblem(problem)}\n`)
  return config.error.some(({ place }) => place.startsWith("--")) ? 2 : 1
}
