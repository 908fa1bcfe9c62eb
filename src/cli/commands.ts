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
    summary: "Run a demonstration backend whose latency grows with its load.",
    load: async () => (await import("./backend.ts")).backend,
  },
  {
    name: "spam",
    summary: "Load a target with requests and measure how it takes them.",
    load: async () => (await import("./spam.ts")).spam,
  },
  {
    name: "sim",
    summary: "Simulate a fleet in virtual time, with policies side by side.",
    load: async () => (await import("./sim.ts")).sim,
  },
  {
    name: "policies",
    summary: "List the policies, or describe one of them.",
    load: async () => (await import("./policies.ts")).policiesCommand,
  },
]
