/** A file that lists backends as the setting `backends` does, and that is followed while the balancer runs. */

import { fail, ok, type Result } from "../core/result.ts"
import type { Registration } from "../membership/registration.ts"
import { type ConfigIssue, shown, unresolved, valueAt } from "../text/issue.ts"
import { type ConfigProblem, inOrder, problemsIn } from "../text/problem.ts"
import { readBy } from "../text/schema-issues.ts"
import { readYaml } from "../text/yaml.ts"
import { listIssues } from "./backend-lists.ts"
import type { Config } from "./config.ts"
import { backendList, registrationOf } from "./schema/backends.ts"

/** Such a file may be another program's, so nothing of this machine is put into it. */
const substitutions = { env: {}, readFile: () => fail("nothing is put in here") }

/**
 * The backends of a file, or all that is wrong with it. An empty file is wrong: it may be one that is half written.
 *
 * @param file what problems call it
 */
export function readBackendFile(
  file: string,
  text: string,
  settings: Pick<Config, "resources" | "checks">,
): Result<readonly Registration[], readonly ConfigProblem[]> {
  const yaml = readYaml(text, substitutions)
  const read = yaml.broken ? fail([]) : backendsOf(yaml.value, settings)
  if (read.ok && yaml.issues.length === 0) return read
  const issues = read.ok ? [] : read.error.filter(({ path }) => valueAt(yaml.value, path) !== unresolved)
  return fail(inOrder(problemsIn(file, yaml, issues)))
}

function backendsOf(
  list: unknown,
  { resources, checks }: Pick<Config, "resources" | "checks">,
): Result<readonly Registration[], readonly ConfigIssue[]> {
  if (!Array.isArray(list)) {
    const message = "expected a list of backends, each behind a dash; [] is none"
    return fail([{ path: [], at: "value", message, found: shown(list) }])
  }
  const read = readBy(backendList, list)
  if (!read.ok) return read
  const backends = read.value.map((backend) => registrationOf(backend, resources, checks))
  const issues = listIssues([{ path: [], backends }], resources)
  return issues.length === 0 ? ok(backends) : fail(issues)
}
