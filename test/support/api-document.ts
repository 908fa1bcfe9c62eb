/**
 * The OpenAPI document of an API as something to hold responses against. What validates is not ours: the official
 * schema of OpenAPI 3.1, and a validator of JSON Schema 2020-12.
 */
import assert from "node:assert/strict"
import { createRequire } from "node:module"
import type { OpenApiDocument } from "../../src/control/api/openapi.ts"

interface JsonValidator {
  (value: unknown): boolean
  readonly errors?: readonly object[] | null
}

/** What is used here of two packages. */
interface Packages {
  readonly Ajv2020: new (options: object) => {
    addSchema(schema: object, key: string): void
    getSchema(key: string): JsonValidator | undefined
  }
  readonly Validator: new () => {
    validate(document: object): Promise<{ readonly valid: boolean; readonly errors?: unknown }>
  }
}

const require = createRequire(import.meta.url)
const { Ajv2020 } = require("ajv/dist/2020.js") as Packages
const { Validator } = require("@seriousme/openapi-schema-validator") as Packages

export interface SeenResponse {
  readonly status: number
  readonly type: string | undefined
  /** Undefined where there is none, as with HEAD. */
  readonly body: string | undefined
}

export class ApiDocument {
  readonly #document: OpenApiDocument
  readonly #validators: InstanceType<Packages["Ajv2020"]>
  /** `operationId status`, and `operationId status code` of refusals. */
  readonly seen = new Set<string>()

  constructor(document: OpenApiDocument) {
    this.#document = JSON.parse(JSON.stringify(document)) as OpenApiDocument
    this.#validators = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
    this.#validators.addSchema(closed(this.#document) as object, "document")
  }

  /** Rejects unless the document is one of OpenAPI 3.1. */
  async assertValid(): Promise<void> {
    const { valid, errors } = await new Validator().validate(structuredClone(this.#document))
    assert.ok(valid, JSON.stringify(errors, undefined, 2))
  }

  /** All operations: id, path, method in upper case, and the statuses that it documents. */
  get operations(): { id: string; path: string; method: string; statuses: string[] }[] {
    return Object.entries(this.#document.paths).flatMap(([path, byMethod]) =>
      Object.entries(byMethod).map(([method, { operationId, responses }]) => ({
        id: operationId as string,
        path,
        method: method.toUpperCase(),
        statuses: Object.keys(responses as object),
      })),
    )
  }

  /** All codes of error that it documents, in order. */
  get codes(): string[] {
    const { responses } = this.#document.components as {
      readonly responses: Readonly<Record<string, object>>
    }
    const codes = Object.keys(responses).flatMap((name) => {
      const shape = `#/components/responses/${name}/content/application~1json/schema`
      return this.#value(`${shape}/properties/error/properties/code/enum`) as string[]
    })
    return [...new Set(codes)].toSorted()
  }

  /** Asserts that a response is as it is documented, and that nothing in it is not. */
  check(method: string, target: string, { status, type, body }: SeenResponse): void {
    const operation = this.#operationOf(method, target)
    const { id, at } = operation ?? { id: "none", at: this.#anyOperation() }
    const said = `${method} ${target}: ${status} ${body?.slice(0, 300)}`
    const responses = `${at}/responses`
    const documented = operation !== undefined && this.#value(`${responses}/${status}`) !== undefined
    const response = this.#followed(`${responses}/${documented ? status : "default"}`)
    this.seen.add(`${id} ${status}`)
    if (type === undefined) {
      assert.equal(this.#value(`${response}/content`), undefined, `${said}: without a body`)
      return
    }
    const content = `${response}/content/${escaped(type)}`
    assert.notEqual(this.#value(content), undefined, `${said}: ${type} is not documented`)
    if (body === undefined || type !== "application/json") return
    const value = JSON.parse(body) as { readonly error?: { readonly code: string } }
    this.#assertShape(`${content}/schema`, value, said)
    if (value.error !== undefined) this.seen.add(`${id} ${status} ${value.error.code}`)
  }

  /** Asserts that the data of an event on this stream is as documented. */
  checkEvent(target: string, type: string, data: string): void {
    const { at } = this.#operationOf("GET", target)!
    const shape = `${at}/responses/200/content/${escaped(type)}/x-event-data`
    this.#assertShape(shape, JSON.parse(data), target)
  }

  /** Asserts that each shape of a body or response has an example, and that all examples have their shape. */
  checkExamples(): void {
    const wanted = this.operations.flatMap(({ path, method }) => {
      const at = `#/paths/${escaped(path)}/${method.toLowerCase()}`
      const bodies = [
        `${at}/requestBody`,
        ...Object.keys(this.#value(`${at}/responses`) as object).map((status) =>
          this.#followed(`${at}/responses/${status}`),
        ),
      ]
      return bodies.map((place) => `${place}/content/application~1json`)
    })
    for (const place of new Set(wanted)) {
      const content = this.#value(place) as
        | { readonly examples?: Record<string, { value: unknown }> }
        | undefined
      if (content === undefined) continue
      const shape = this.#followed(`${place}/schema`)
      const named = Object.values(content.examples ?? {}).map(({ value }) => value)
      // Beside a reference, or where it leads.
      const examples = [...this.#examplesAt(`${place}/schema`), ...this.#examplesAt(shape)]
      assert.ok(named.length + examples.length > 0, `${place} has no example`)
      for (const example of [...named, ...examples]) this.#assertShape(shape, example, place)
    }
  }

  #examplesAt(place: string): readonly unknown[] {
    return (this.#value(place) as { readonly examples?: readonly unknown[] }).examples ?? []
  }

  #assertShape(place: string, value: unknown, said: string): void {
    const validate = this.#validators.getSchema(`document${place}`)
    assert.ok(validate !== undefined, `${said}: no schema at ${place}`)
    assert.ok(validate(value), `${said}: ${JSON.stringify(validate.errors)}`)
  }

  #operationOf(method: string, target: string): { readonly id: string; readonly at: string } | undefined {
    const path = target.split("?", 1)[0]!
    const found = this.operations.find((known) => known.method === method && this.#isAt(known.path, path))
    if (found === undefined) return method === "HEAD" ? this.#operationOf("GET", target) : undefined
    return { id: found.id, at: `#/paths/${escaped(found.path)}/${found.method.toLowerCase()}` }
  }

  /** Whether a path is of this template, with values that its parameters can have. */
  #isAt(template: string, path: string): boolean {
    const values = new RegExp(`^${template.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`).exec(path)
    if (values === null) return false
    const [operation] = Object.values(this.#document.paths[template]!)
    const parameters = operation!["parameters"] as readonly { name: string; schema: { enum?: string[] } }[]
    return parameters.every(({ name, schema }) => {
      const value = values.groups?.[name]
      return value === undefined || schema.enum?.includes(value) !== false
    })
  }

  #anyOperation(): string {
    const { path, method } = this.operations[0]!
    return `#/paths/${escaped(path)}/${method.toLowerCase()}`
  }

  #value(pointer: string): unknown {
    let value: unknown = this.#document
    for (const part of pointer.slice(2).split("/")) {
      value = (value as Record<string, unknown> | undefined)?.[
        part.replaceAll("~1", "/").replaceAll("~0", "~")
      ]
    }
    return value
  }

  /** The place itself, or where it refers to. */
  #followed(pointer: string): string {
    const { $ref } = (this.#value(pointer) ?? {}) as { readonly $ref?: string }
    return $ref ?? pointer
  }
}

function escaped(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1")
}

/** The same with every object closed: what is not documented is an error here, where callers must bear with it. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed)
  if (typeof node !== "object" || node === null || "allOf" in node) return node
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]))
  const isOpen = copy["type"] === "object" && "properties" in copy && !("additionalProperties" in copy)
  return isOpen ? { ...copy, additionalProperties: false } : copy
}
