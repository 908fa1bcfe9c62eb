import * as z from "zod"
import { resolutionDefault, resourcesDefault, resourcesMax, type ResourceTable } from "../core/resources.ts"
import type { ConfigIssue } from "./issue.ts"
import { listOf, matching, strict } from "./schema-words.ts"

const resourceName = /^[a-z][a-z0-9_-]{0,31}$/

const resource = strict({
  name: matching(resourceName, "a name of up to 32 of a-z, 0-9, _ and -, a letter first"),
  kind: z
    .enum(["rate", "space"], { error: "one of rate, space" })
    .describe("rate: work that drains; space: held until the response has ended."),
  resolution: z
    .number({ error: "a number above 0" })
    .positive({ error: "a number above 0" })
    .default(resolutionDefault)
    .describe("The smallest amount told apart, in the resource's own unit."),
})

/** The closed table of resources, as operators and scenarios write it. */
export const resourcesSchema = listOf(resource, "resources", resourcesMax)
  .default([...resourcesDefault])
  .describe("What requests use up and backends have.")

/** A mistake for each resource that has the name of one before it. */
export function repeatedResources(resources: ResourceTable): ConfigIssue[] {
  const names = resources.map(({ name }) => name)
  return names.flatMap((name, index): ConfigIssue[] => {
    if (names.indexOf(name) === index) return []
    const message = `the resource "${name}" is there twice`
    return [{ path: ["resources", index, "name"], at: "value", message, found: undefined }]
  })
}
