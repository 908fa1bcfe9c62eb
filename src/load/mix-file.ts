/** The mix of requests as a file: from YAML to classes of requests, or to all that is wrong with it and where. */
import * as z from "zod"
import { fail, ok, type Result } from "../core/result.ts"
import type { ConfigIssue, ConfigPath } from "../text/issue.ts"
import { readClosedFile } from "../text/closed-file.ts"
import type { ConfigProblem } from "../text/problem.ts"
import { readBy } from "../text/schema-issues.ts"
import { mapping, matching, named } from "../text/schema-words.ts"
import { demandOf, type RequestTemplate } from "./requests.ts"

const classesMax = 256
const bodyBytesMax = 1024 * 1024
const bytesExpected = `an integer from 0 to ${bodyBytesMax}`

const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const fieldValue = matching(/^[\t\x20-\x7e\x80-\xff]*$/, "a value in one line").max(8_192, {
  error: "a value of at most 8192 characters",
})
/** Fields that frame a request: the generator writes them itself. */
export const ownFields: readonly string[] = [
  "content-length",
  "transfer-encoding",
  "connection",
  "upgrade",
  "te",
  "trailer",
  "expect",
]

const amount = z.number({ error: "a number of at least 0" }).min(0, { error: "a number of at least 0" })
const resourceKey = /^[a-z*][a-z0-9_.*-]{0,63}$/

const requestSchema = mapping({
  method: matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/, "a method like GET")
    .refine((method) => method !== "CONNECT" && method !== "TRACE", {
      error: "a method that can be repeated on a connection",
    })
    .default("GET"),
  path: matching(/^\/[\x21-\x7e]{0,8000}$/, 'a path that starts with "/"').default("/"),
  weight: z
    .number({ error: "a number above 0" })
    .positive({ error: "a number above 0" })
    .default(1)
    .describe("Its part of all requests is its weight over the sum of all."),
  headers: named(fieldName, "the name of a field", fieldValue, "fields by name", 0)
    .default({})
    .describe("Fields of the request's head."),
  body: z.string({ error: "text" }).optional().describe("What the request carries, as it is."),
  bodyBytes: z
    .int({ error: bytesExpected })
    .min(0, { error: bytesExpected })
    .max(bodyBytesMax, { error: bytesExpected })
    .optional()
    .describe("So many bytes of nothing in particular instead of body."),
  demand: named(resourceKey, "the name of a resource in lower case", amount, "amounts by resource", 0)
    .optional()
    .describe("What it declares to need, in Linebacker-Demand."),
})

const schema = mapping({
  requests: z
    .record(z.string(), requestSchema, { error: "a mapping of requests by name" })
    .describe("What is sent, by the name that the results call it."),
})

/** Reads a mix of requests. Problems are in the order of the file. */
export function readMix(
  file: string,
  text: string,
): Result<readonly RequestTemplate[], readonly ConfigProblem[]> {
  return readClosedFile(file, text, "a mix of requests", (input) => {
    const read = readBy(schema, input)
    if (!read.ok) return read
    const { requests } = read.value
    const issues = crossIssues(requests)
    return issues.length > 0 ? fail(issues) : ok(Object.entries(requests).map((one) => classOf(...one)))
  })
}

type WrittenRequest = z.infer<typeof requestSchema>

function crossIssues(requests: Readonly<Record<string, WrittenRequest>>): ConfigIssue[] {
  const issues: ConfigIssue[] = []
  const wrong = (path: ConfigPath, message: string): void => {
    issues.push({ path: ["requests", ...path], at: "key", message, found: undefined })
  }
  const names = Object.keys(requests)
  if (names.length === 0 || names.length > classesMax) {
    const message = `expected 1 to ${classesMax} requests`
    issues.push({ path: ["requests"], at: "value", message, found: String(names.length) })
  }
  for (const [name, { headers, body, bodyBytes, demand }] of Object.entries(requests)) {
    for (const field of Object.keys(headers)) {
      const path = [name, "headers", field]
      if (ownFields.includes(field.toLowerCase())) wrong(path, `${field} is the generator's own to write`)
      else if (field.toLowerCase() === "linebacker-demand" && demand !== undefined) {
        wrong(path, "demand says the same: give one of the two")
      }
    }
    if (body !== undefined && bodyBytes !== undefined) {
      wrong([name, "bodyBytes"], "body says what is sent: give one of the two")
    }
  }
  return issues
}

function classOf(name: string, written: WrittenRequest): RequestTemplate {
  const { method, path, weight, headers, body, bodyBytes, demand } = written
  const fields = Object.entries(headers)
  if (demand !== undefined)
    fields.push(["Linebacker-Demand", demandOf(Object.keys(demand), Object.values(demand), 0)])
  return {
    name,
    method,
    path,
    weight,
    fields,
    body:
      body === undefined
        ? bodyBytes === undefined
          ? undefined
          : Buffer.alloc(bodyBytes, "x")
        : Buffer.from(body, "utf8"),
  }
}

/** JSON Schema (draft 2020-12) of a mix file, for editors. */
export function mixJsonSchema(): Readonly<Record<string, unknown>> {
  return { title: "Requests of linebacker spam", ...z.toJSONSchema(schema, { io: "input" }) }
}
