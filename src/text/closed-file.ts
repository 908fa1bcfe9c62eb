import { fail, type Result } from "../core/result.ts"
import { type ConfigIssue, unresolved, valueAt } from "./issue.ts"
import { type ConfigProblem, inOrder, problemsIn } from "./problem.ts"
import { readYaml } from "./yaml.ts"

/**
 * Reads a YAML file that says the same everywhere: nothing of the environment is put into it, and `${…}` is refused.
 *
 * @param what it is, for messages: "a scenario"
 * @param parse makes of the values what they mean, or finds all that is wrong with them
 * @returns all problems, in the order of the file
 */
export function readClosedFile<T>(
  file: string,
  text: string,
  what: string,
  parse: (input: unknown) => Result<T, readonly ConfigIssue[]>,
): Result<T, readonly ConfigProblem[]> {
  const yaml = readYaml(text, { env: {}, readFile: () => fail(`${what} takes nothing from elsewhere`) })
  const parsed = yaml.broken ? undefined : parse(yaml.value ?? {})
  const issues = parsed === undefined || parsed.ok ? [] : parsed.error
  // What could not be made out has been reported where that happened.
  const told = issues.filter((issue) => valueAt(yaml.value, issue.path) !== unresolved)
  const problems = problemsIn(file, yaml, told)
  return parsed?.ok === true && problems.length === 0 ? parsed : fail(inOrder(problems))
}
