import { parseBackendId, type BackendId } from "../core/backend.ts"
import { isDnsName } from "../core/endpoint.ts"
import { vectorOf, type NamedAmounts, type ResourceTable } from "../core/resources.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { RegistryError } from "./registry-errors.ts"
import { isUnixPath, unixPathBytesMax } from "./address.ts"
import type { Address, Check, Scheme } from "./snapshot.ts"

/** What a backend says of itself when it announces. */
export interface Registration {
  /** As it came; the registry checks it. */
  readonly id: string
  readonly address: Address
  /** One amount for every resource of the table. */
  readonly capacity: NamedAmounts
  /** `http` when absent. */
  readonly scheme?: Scheme | undefined
  /** 1 when absent. */
  readonly weight?: number | undefined
  readonly zone?: string | undefined
  readonly version?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** As all are checked when absent. */
  readonly check?: Check | undefined
  /** Which process of this backend it is; grows with every restart. A start time does. */
  readonly incarnation?: number | undefined
  /** The registry's own when absent. */
  readonly ttlMs?: number | undefined
}

/** What a backend says with a renewal. */
export interface Report {
  /** Which registration is renewed; any when absent. */
  readonly generation?: number | undefined
  /** Share of each resource in use now, 1 is all of it; may name some resources only. */
  readonly utilization?: NamedAmounts | undefined
  /** New capacities; those that are not named stay. */
  readonly capacity?: NamedAmounts | undefined
  /** Requests it works on now, from all balancers. */
  readonly inFlight?: number | undefined
}

/**
 * The label that names the certificate of a backend of scheme `https`, when its address does not: a DNS name.
 */
export const serverNameLabel = "tls-server-name"

export const registrationLimits = {
  weightMin: 0.001,
  weightMax: 1_000,
  weightDefault: 1,
  /** Of what a backend asks for, and of `registration.ttl`. */
  ttlMsMin: 1_000,
  /** Of what a backend asks for; what the operator configures may be longer. */
  ttlMsMax: 600_000,
  labelsMax: 32,
  labelNameCharsMax: 64,
  labelValueCharsMax: 256,
  /** Of `zone` and of `version`. */
  textCharsMax: 128,
  /** Overload may be reported as more than 1, but nothing sane is beyond this. */
  utilizationMax: 100,
  inFlightMax: 2_147_483_647,
} as const

type InvalidBody = Result<never, RegistryError<"invalid_body">>

/** The id of a registration that is within all limits, or the first that it breaks. */
export function checkRegistration(
  table: ResourceTable,
  registration: Registration,
): Result<BackendId, RegistryError<"invalid_id" | "invalid_body">> {
  const id = parseBackendId(registration.id)
  if (id === undefined) {
    return fail({
      code: "invalid_id",
      message: `an id is 1 to 128 of A-Z a-z 0-9 . _ : -; found ${quoted(registration.id)}`,
    })
  }
  const { weightMin, weightMax, ttlMsMin, ttlMsMax, textCharsMax } = registrationLimits
  const {
    weight = 1,
    ttlMs = ttlMsMin,
    incarnation = 0,
    zone = "-",
    version = "-",
    labels = {},
  } = registration
  const refusal =
    checkAddress(registration.address) ??
    checkCapacity(table, registration.capacity) ??
    (weight >= weightMin && weight <= weightMax
      ? undefined
      : invalid("weight", `must be from ${weightMin} to ${weightMax}; found ${weight}`)) ??
    (Number.isSafeInteger(ttlMs) && ttlMs >= ttlMsMin && ttlMs <= ttlMsMax
      ? undefined
      : invalid("ttlMs", `must be a whole number from ${ttlMsMin} to ${ttlMsMax}; found ${ttlMs}`)) ??
    (isCount(incarnation)
      ? undefined
      : invalid("incarnation", `must be a whole number from 0 to 2^53 - 1; found ${incarnation}`)) ??
    checkText("zone", zone, textCharsMax) ??
    checkText("version", version, textCharsMax) ??
    checkLabels(labels)
  return refusal ?? ok(id)
}

/** The refusal of a report that breaks a limit; `capacity` is what the member has now. */
export function checkReport(
  table: ResourceTable,
  report: Report,
  capacity: NamedAmounts,
): InvalidBody | undefined {
  if (report.capacity !== undefined) {
    const refusal = checkCapacity(table, { ...capacity, ...report.capacity })
    if (refusal !== undefined) return refusal
  }
  for (const [name, share] of Object.entries(report.utilization ?? {})) {
    if (!table.some((resource) => resource.name === name)) {
      const known = table.map((resource) => resource.name).join(", ")
      return invalid(`utilization.${name}`, `unknown resource; the resources here are ${known}`)
    }
    if (!(share >= 0 && share <= registrationLimits.utilizationMax)) {
      const allowed = `must be from 0 to ${registrationLimits.utilizationMax}, where 1 is all of it`
      return invalid(`utilization.${name}`, `${allowed}; found ${share}`)
    }
  }
  const { inFlight = 0 } = report
  if (!isCount(inFlight) || inFlight > registrationLimits.inFlightMax) {
    return invalid(
      "inFlight",
      `must be a whole number from 0 to ${registrationLimits.inFlightMax}; found ${inFlight}`,
    )
  }
  return undefined
}

function checkAddress(address: Address): InvalidBody | undefined {
  if (!("path" in address))
    return isPort(address.port) ? undefined : invalid("address", "the port must be 1 to 65535")
  if (isUnixPath(address.path)) return undefined
  return invalid(
    "address",
    `the path must be absolute, without "." and "..", and at most ${unixPathBytesMax} bytes long`,
  )
}

function checkCapacity(table: ResourceTable, capacity: NamedAmounts): InvalidBody | undefined {
  const vector = vectorOf(table, capacity)
  if (!vector.ok) {
    const { name, message } = vector.error
    return invalid(name === "" ? "capacity" : `capacity.${name}`, message)
  }
  if (vector.value.every((amount) => amount === 0)) {
    return invalid("capacity", "at least one amount must be more than 0")
  }
  return undefined
}

function checkText(path: string, text: string, charsMax: number): InvalidBody | undefined {
  if (text.length >= 1 && text.length <= charsMax) return undefined
  return invalid(path, `must be 1 to ${charsMax} characters long; found ${text.length}`)
}

function checkLabels(labels: Readonly<Record<string, string>>): InvalidBody | undefined {
  const { labelsMax, labelNameCharsMax, labelValueCharsMax } = registrationLimits
  const entries = Object.entries(labels)
  if (entries.length > labelsMax) return invalid("labels", `at most ${labelsMax}; found ${entries.length}`)
  for (const [name, value] of entries) {
    if (name.length < 1 || name.length > labelNameCharsMax) {
      return invalid(
        "labels",
        `a name must be 1 to ${labelNameCharsMax} characters long; found ${name.length}`,
      )
    }
    if (value.length > labelValueCharsMax) {
      return invalid(`labels.${name}`, `at most ${labelValueCharsMax} characters; found ${value.length}`)
    }
  }
  const serverName = labels[serverNameLabel]
  if (serverName !== undefined && !isDnsName(serverName)) {
    return invalid(`labels.${serverNameLabel}`, `must be a DNS name; found ${quoted(serverName)}`)
  }
  return undefined
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 140 ? `${text.slice(0, 140)}…` : text)
}

function invalid(path: string, message: string): InvalidBody {
  return fail({ code: "invalid_body", message: `${path}: ${message}`, path })
}
