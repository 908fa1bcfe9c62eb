import type { Command } from "./command.ts"

/** A command by its name. Its code is loaded only for itself: a backend need not wait for a simulator. */
export interface CommandEntry {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly load: () => Promise<Command>
}

/** All commands, in the order in which the help shows them. */
export const commands: readonly CommandEntry[] = [
  {
    name: "serve",
    summary: "Run the balancer.",
    load: async () => (await import("./serve.ts")).serve,
  },
  {
    name: "validate",
    summary: "Check a configuration file and report every mistake with its place.",
    load: async () => (await import("./validate.ts")).validate,
  },
  {
    name: "demo",
    summary: "Run the whole demonstration: balancer, three backends that announce themselves, page.",
    load: async () => (await import("./demo.ts")).demo,
  },
  {
    name: "backend",
    summary: "Run a demonstration backend, whose requests really occupy it.",
    load: async () => (await import("./backend.ts")).backend,
  },
  {
    name: "spam",
    summary: "Load a target with requests, and tell the truth about how it took them.",
    load: async () => (await import("./spam.ts")).spam,
  },
  {
    name: "sim",
    summary: "Rehearse: policies side by side on a simulated fleet, in virtual time.",
    load: async () => (await import("./sim.ts")).sim,
  },
  {
    name: "policies",
    summary: "List the policies, or say all of one.",
    load: async () => (await import("./policies.ts")).policiesCommand,
  },
]
