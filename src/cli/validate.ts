import { loadConfig } from "../config/config-file.ts"
import { type ConfigProblem, formatProblem } from "../text/problem.ts"
import { configJsonSchema } from "../config/config-schema.ts"
import { policies } from "../policies/index.ts"
import { type Command, UsageError } from "./command.ts"

export const validate: Command = {
  name: "validate",
  usage: "FILE",
  positionalsMax: 1,
  options: {
    json: { type: "boolean", about: "Print {valid, problems, advice} as JSON." },
    schema: { type: "boolean", about: "Print the JSON Schema of the configuration, for editors." },
  },
  async run(given, io) {
    if (given.values["schema"] === true) {
      io.out(`${JSON.stringify(configJsonSchema(Object.keys(policies)), undefined, 2)}\n`)
      return 0
    }
    const [file] = given.positionals
    if (file === undefined) throw new UsageError("which file?")
    const advice: ConfigProblem[] = []
    const config = loadConfig(file, { policies, env: process.env, onAdvice: (each) => advice.push(each) })
    const problems = config.ok ? [] : config.error
    if (given.values["json"] === true) {
      io.out(`${JSON.stringify({ valid: config.ok, problems, advice })}\n`)
      return config.ok ? 0 : 1
    }
    for (const problem of [...problems, ...advice]) io.err(`${formatProblem(problem)}\n`)
    if (config.ok) io.out(`${file} is valid\n`)
    return config.ok ? 0 : 1
  },
}
