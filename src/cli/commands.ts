import { backend } from "./backend.ts"
import type { Command } from "./command.ts"
import { demo } from "./demo.ts"
import { policiesCommand } from "./policies.ts"
import { serve } from "./serve.ts"
import { sim } from "./sim.ts"
import { spam } from "./spam.ts"
import { validate } from "./validate.ts"

/** All commands, in the order in which the help shows them. */
export const commands: readonly Command[] = [serve, validate, demo, backend, spam, sim, policiesCommand]
