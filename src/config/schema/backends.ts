/** Backends that are known from the start, beside those that announce themselves. */

import * as z from "zod"
import type { ResourceTable } from "../../core/resources.ts"
import { parseAddress } from "../../membership/address.ts"
import { type Registration, registrationLimits } from "../../membership/registration.ts"
import type { Address, Check, Scheme, StatusRange } from "../../membership/snapshot.ts"
import { either, mapping, matching } from "../../text/schema-words.ts"
import { amount, loopback, number, statuses, urlPath } from "./words.ts"

const addressExpected =
  "an address like 10.0.0.7:8080, :8080 for 127.0.0.1, https://app.example or unix:/path/to.sock"
const defaultPorts: Readonly<Record<Scheme, string>> = { http: ":80", https: ":443" }

const address = z
  .string({ error: addressExpected })
  .transform((text, check): WrittenAddress => {
    const read = readAddress(text)
    if (read !== undefined) return read
    check.issues.push({ code: "custom", message: addressExpected, input: text })
    return z.NEVER
  })
  .describe("Where it takes requests; http:// or https:// before it is the scheme, with its usual port.")

const { weightMin, weightMax, weightDefault } = registrationLimits

const scheme = z.enum(["http", "https"], { error: "one of http, https" }).optional()

/** What may be said of a backend besides where it is. */
export const backendFacts = {
  scheme: scheme.describe("What it speaks; http when absent."),
  capacity: z
    .record(z.string(), amount, { error: "amounts by resource" })
    .default({})
    .describe("What it has of each resource. 1 of each rate that is not given; a space has to be given."),
  weight: number(weightMin, weightMax, weightDefault).describe(
    "Its share, for the policies that take weights.",
  ),
  zone: matching(/^.{1,128}$/, "the name of a zone")
    .optional()
    .describe("Where it is."),
  labels: z
    .record(z.string(), z.string({ error: "text" }), { error: "labels with their values" })
    .default({})
    .describe("What pools find it by; tls-server-name names the host in its certificate."),
  check: either(
    z.literal("tcp", { error: "tcp, or a mapping for a check by HTTP" }),
    mapping({
      path: urlPath.optional().describe("What the check asks for; as in checks when absent."),
      statuses: statuses.optional().describe("The statuses with which it passes; as in checks when absent."),
    }),
  )
    .optional()
    .describe("How it is checked: tcp, or by HTTP with a path and statuses; as in checks when absent."),
}

const backend = mapping({
  ...backendFacts,
  address,
  id: matching(/^[A-Za-z0-9._:-]{1,128}$/, "1 to 128 of A-Z a-z 0-9 . _ : -")
    .optional()
    .describe("Its name; its address when absent."),
  scheme: scheme.describe("What it speaks; what the address says, or else http, when absent."),
})

/** One as it is read. What it has to agree on with the rest of the settings, `config-checks.ts` looks at. */
export type WrittenBackend = z.output<typeof backend>

const backendsMax = 65_536
export const backendList = z
  .array(
    z.union([address.transform((read) => backend.parse({ address: read.text })), backend], {
      error: ({ input }) =>
        typeof input === "string" ? addressExpected : `${addressExpected}, or a mapping with address`,
    }),
    { error: "a list of backends (how the balancer connects to them is set under upstream)" },
  )
  .max(backendsMax, { error: `a list of at most ${backendsMax} backends` })

export const backends = backendList
  .default([])
  .describe(
    "Known from the start, beside those that announce themselves; they serve while their checks pass.",
  )

/** An address and what was written for it. */
export interface WrittenAddress {
  readonly text: string
  readonly place: Address
  /** Undefined where it does not say. */
  readonly scheme: Scheme | undefined
}

/** Undefined where the text is no address. A port alone is one of this machine. */
function readAddress(text: string): WrittenAddress | undefined {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?([^/]+|unix:.*)\/?$/.exec(text) ?? []
  const read = parseAddress(rest) ?? (scheme && parseAddress(rest + defaultPorts[scheme as Scheme]))
  if (read === undefined || read === "") return undefined
  const place = "path" in read || read.host !== "" ? read : { ...read, host: loopback }
  return { text, place, scheme: scheme as Scheme | undefined }
}

/** What of `checks` the check of one backend has where it says nothing itself. */
export interface CheckDefaults {
  readonly path: string
  readonly statuses: readonly StatusRange[]
}

/** As the registry takes it. */
export function registrationOf(
  { address: { text, place, scheme }, check, ...written }: WrittenBackend,
  resources: ResourceTable,
  checks: CheckDefaults,
): Registration {
  const rates = resources.filter(({ kind }) => kind === "rate").map(({ name }) => [name, 1])
  return {
    ...written,
    id: written.id ?? idOf(text),
    address: place,
    scheme: written.scheme ?? scheme,
    capacity: { ...Object.fromEntries(rates), ...written.capacity },
    check: check && checkOf(check, checks),
  }
}

function checkOf(written: NonNullable<WrittenBackend["check"]>, checks: CheckDefaults): Check {
  if (written === "tcp") return { kind: "tcp" }
  return { kind: "http", path: written.path ?? checks.path, statuses: written.statuses ?? checks.statuses }
}

/** What of an address an id may have. */
function idOf(text: string): string {
  return text
    .replace(/^https?:\/\/|[[\]]|\/$/g, "")
    .replaceAll(/[^A-Za-z0-9._:-]/g, "-")
    .slice(0, 128)
}
