/** Lists of known backends, wherever they stand: among the settings, in a pool, in a file that is followed. */

import type { ResourceTable } from "../core/resources.ts"
import { formatAddress } from "../membership/address.ts"
import { checkRegistration, type Registration, serverNameLabel } from "../membership/registration.ts"
import type { ConfigIssue, ConfigPath } from "../text/issue.ts"
import type { ConfigDraft } from "./config-schema.ts"
import { registrationOf, type WrittenBackend } from "./schema/backends.ts"
import { poolLabel } from "./schema/routing.ts"

/** One list, and where it stands. */
export interface BackendList {
  readonly path: ConfigPath
  readonly backends: readonly Registration[]
}

/** Those of the settings. A backend in the list of a pool has the pool's label. */
export function backendLists({
  backends,
  pools,
  ...rest
}: Pick<ConfigDraft, "backends" | "pools" | "resources" | "checks">): BackendList[] {
  const { resources, checks } = rest
  const read = (list: readonly WrittenBackend[]) =>
    list.map((backend) => registrationOf(backend, resources, checks))
  return [
    ...pools.map(({ name, backends: own = [] }, index): BackendList => {
      const labelled = own.map((one) => ({ ...one, labels: { ...one.labels, [poolLabel]: name } }))
      return { path: ["pools", index, "backends"], backends: read(labelled) }
    }),
    // Last, so that of two that are the same the one behind `--to` is named.
    { path: ["backends"], backends: read(backends) },
  ]
}

/** What the registry would refuse, and what is there twice: the later one is wrong. */
export function listIssues(lists: readonly BackendList[], resources: ResourceTable): ConfigIssue[] {
  const seen = new Set<string>()
  return lists.flatMap(({ path, backends }) =>
    backends.flatMap((one, index): ConfigIssue[] => {
      const issue = repetition(one, seen) ?? refusal(one, resources)
      return issue === undefined ? [] : [{ ...issue, path: [...path, index, ...issue.path] }]
    }),
  )
}

/** @param seen gets what it is known by */
function repetition({ id, address }: Registration, seen: Set<string>): ConfigIssue | undefined {
  const place = formatAddress(address)
  const shared = seen.has(`id ${id}`)
    ? `id "${id}"`
    : seen.has(`at ${place}`)
      ? `address ${place}`
      : undefined
  seen.add(`id ${id}`).add(`at ${place}`)
  return shared === undefined ? undefined : issueAt([], `another backend has the ${shared}`)
}

/** What the backends that DNS finds have in common, as one of them. Certificates are for the name that was asked for. */
export function exampleOf(
  { intervalMs: _interval, name, port = 1, server: _server, type, ...facts }: DnsDraft,
  { resources, checks }: Pick<ConfigDraft, "resources" | "checks">,
): Registration {
  const host = name.replace(/\.$/, "")
  const isNamed = facts.scheme === "https" && type !== "SRV"
  const labels = isNamed ? { [serverNameLabel]: host, ...facts.labels } : facts.labels
  const address = { text: host, place: { host, port }, scheme: undefined }
  return registrationOf({ ...facts, id: undefined, labels, address }, resources, checks)
}

type DnsDraft = ConfigDraft["discovery"]["dns"][number]

/** What the registry would refuse of one. */
export function refusal(one: Registration, resources: ResourceTable): ConfigIssue | undefined {
  const checked = checkRegistration(resources, one)
  if (checked.ok) return undefined
  const { message, path = "" } = checked.error
  return issueAt(path.split("."), message.replace(`${path}: `, ""))
}

function issueAt(path: ConfigPath, message: string): ConfigIssue {
  return { path, at: "value", message, found: undefined }
}
