import { fail, ok, type Result } from "./result.ts"

/**
 * How a resource is used up.
 *
 * - `rate`: work that drains at the backend's capacity per second (CPU seconds, IO operations, bytes). Reserved
 *   work over capacity is seconds of backlog and may be any size.
 * - `space`: held from dispatch until the response has ended (memory, KV-cache, slots). Reserved over capacity
 *   is the fraction held and must never pass 1.
 */
export type ResourceKind = "rate" | "space"

export interface Resource {
  readonly name: string
  readonly kind: ResourceKind
  /** The smallest amount told apart in the shared load table, in the resource's own unit. */
  readonly resolution: number
}

/** The operator's resources, closed at start. Every vector has one entry per resource, in this order. */
export type ResourceTable = readonly Resource[]

/** One amount a resource, in the order of the table. See docs/decisions/0003-vectors-by-index.md. */
export type ResourceVector = Float64Array

/** Amounts by resource name: how vectors look on the wire, in configuration and on the page. */
export type NamedAmounts = Readonly<Record<string, number>>

export const resourcesMax = 8

/** A power of two, so that whole numbers and binary fractions add up exactly. */
export const resolutionDefault: number = 1 / 1024

export const resourcesDefault: ResourceTable = [
  { name: "compute", kind: "rate", resolution: resolutionDefault },
  { name: "storage", kind: "rate", resolution: resolutionDefault },
]

/** The most fixed-point units one entry of the load table may reach, one power below where an Int32 wraps. */
export const unitsMax: number = 2 ** 30

/** The largest capacity or demand of a resource that the load table can hold, in the resource's own unit. */
export function amountMax(resource: Resource): number {
  return unitsMax * resource.resolution
}

export interface AmountError {
  /** The resource's name as found, or "" when the whole vector is meant. */
  readonly name: string
  readonly message: string
}

/**
 * Makes a vector from amounts by name. A resource that is not named gets `missing`, or is an error without it.
 * Every amount must be a finite number from 0 to `amountMax`; an unknown name is an error that lists the known.
 */
export function vectorOf(
  table: ResourceTable,
  amounts: NamedAmounts,
  missing?: number,
): Result<ResourceVector, AmountError> {
  for (const name of Object.keys(amounts)) {
    if (!table.some((resource) => resource.name === name)) {
      const known = table.map((resource) => resource.name).join(", ")
      return fail({ name, message: `unknown resource "${name}"; the resources here are ${known}` })
    }
  }
  const vector = new Float64Array(table.length)
  for (const [index, resource] of table.entries()) {
    const amount = Object.hasOwn(amounts, resource.name) ? amounts[resource.name] : missing
    if (amount === undefined) {
      return fail({ name: resource.name, message: `the amount of "${resource.name}" is missing` })
    }
    if (
      typeof amount !== "number" ||
      !Number.isFinite(amount) ||
      amount < 0 ||
      amount > amountMax(resource)
    ) {
      return fail({
        name: resource.name,
        message: `${resource.name} must be a finite number from 0 to ${amountMax(resource)}; found ${shown(amount)}`,
      })
    }
    vector[index] = amount
  }
  return ok(vector)
}

/** Amounts that are right, in the order of the table; `missing` where none is given. */
export function amountsOf(table: ResourceTable, amounts: NamedAmounts, missing: number): ResourceVector {
  return Float64Array.from(table, ({ name }) => (Object.hasOwn(amounts, name) ? amounts[name]! : missing))
}

/** The field that tells a backend how much of this resource a simulated request needs: `Compute`, `Kv-Cache`. */
export function demandHeader(name: string): string {
  return name.replace(/(?<![a-z0-9])[a-z]/gi, (letter) => letter.toUpperCase())
}

/** Amounts by name from a vector. */
export function namedOf(table: ResourceTable, vector: Readonly<ResourceVector>): NamedAmounts {
  return Object.fromEntries(table.map((resource, index) => [resource.name, vector[index] ?? 0]))
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value)
}
