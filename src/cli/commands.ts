import type { Command } from "./command.ts"

/** A command by its name. Its code is loaded when it is asked for: a backend need not wait for a simulator. */
export interface CommandEntry {
  readonly name: string
  load(): Promise<Command>
}

/** All commands, in the order in which the help shows them. */
export const commands: readonly CommandEntry[] = [
  { name: "serve", load: async () => (await import("./serve.ts")).serve },
  { name: "validate", load: async () => (await import("./validate.ts")).validate },
  { name: "demo", load: async () => (await import("./demo.ts")).demo },
  { name: "backend", load: async () => (await import("./backend.ts")).backend },
  { name: "spam", load: async () => (await import("./spam.ts")).spam },
  { name: "sim", load: async () => (await import("./sim.ts")).sim },
  { name: "policies", load: async () => (await import("./policies.ts")).policiesCommand },
]
