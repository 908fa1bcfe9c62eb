/**
 * Policies of the user's own. A policy runs in the data-plane threads, and functions cannot be sent to another thread:
 * so each thread loads the module that has it. Cold.
 */
import { fileURLToPath } from "node:url"
import { fail, ok, type Result } from "../core/result.ts"
import { addPolicy, isPolicyName, type PolicyEntry } from "../policies/index.ts"
import { type Exports, loadFailure, ownPolicy, type PolicyFault } from "../policies/own-policy.ts"

/** The URLs of modules, by the names under which settings know the policies in them. */
export type OwnPolicies = Readonly<Record<string, string>>

/** Which modules this thread has policies of. */
const added = new Map<string, string>()

/**
 * Loads the row of a policy from its module; see `ownPolicy`.
 *
 * @param file how messages call it
 */
export async function loadPolicyModule(
  url: string,
  file: string,
  onFault: (fault: PolicyFault) => void,
): Promise<Result<PolicyEntry, string>> {
  try {
    return ownPolicy((await import(url)) as Exports, file, onFault)
  } catch (error) {
    return fail(loadFailure(file, error))
  }
}

/**
 * Adds the policies to the table of this thread. A name stands for one module in a process: what several balancers call
 * the same has to be the same.
 *
 * @param onFault told what a policy of this thread does wrong; the first backend that a request admits is picked then.
 * @returns for each name that cannot be had, why.
 */
export async function addOwnPolicies(
  policies: OwnPolicies,
  onFault: (name: string, fault: PolicyFault) => void,
): Promise<ReadonlyMap<string, string>> {
  const refused = new Map<string, string>()
  for (const [name, url] of Object.entries(policies)) {
    const result = await addOwnPolicy(name, url, (fault) => onFault(name, fault))
    if (!result.ok) refused.set(name, result.error)
  }
  return refused
}

async function addOwnPolicy(
  name: string,
  url: string,
  onFault: (fault: PolicyFault) => void,
): Promise<Result<undefined, string>> {
  const entry = await loadPolicyModule(url, pathOf(url), onFault)
  if (!entry.ok) return entry
  const before = added.get(name)
  if (before === url) return ok(undefined)
  if (before !== undefined) return fail(`another balancer of this process has this name for "${before}"`)
  if (isPolicyName(name)) return fail("a policy of Linebacker has this name")
  added.set(name, url)
  addPolicy(name, entry.value)
  return ok(undefined)
}

/** The path of a file; any other URL, and one that holds no path, as it is. */
function pathOf(url: string): string {
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}
