/** The OpenAPI 3.1 document of an API, made from the table of its calls and from nothing else. Cold. */
import * as z from "zod"
import {
  type ApiErrorCode,
  apiErrors,
  bodyErrors,
  bytesErrors,
  doorErrors,
  tokenErrors,
} from "./api-errors.ts"
import { type Access, type Api, type Call, eventStreamType, type Promised } from "./call.ts"

type Json = Readonly<Record<string, unknown>>

/** The form in which every refusal comes. */
const apiError = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string().describe("For a person: what was found and what is allowed."),
      path: z.string().optional().describe("Where in the body, dotted, or which parameter."),
    }),
  })
  .meta({ id: "Error" })

/** Those that a path item has room for. */
const anyMethod = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]

/** What may become of a request before its call is known. */
const errorsOfAny: readonly ApiErrorCode[] = [...bytesErrors, "not_found", "method_not_allowed"]

/** An OpenAPI document, as a value that JSON can hold. */
export type OpenApiDocument = {
  readonly openapi: string
  readonly info: Json
  /** By path and method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>
  readonly components: Json
}

export function openApiOf(api: Api<unknown>): OpenApiDocument {
  const shapes = new Shapes(api)
  const refusals = new Map<string, Json>()
  const paths = Object.fromEntries(
    [...Map.groupBy(api.calls, ({ path }) => path)].map(([path, calls]) => [
      path,
      Object.assign({}, ...calls.map((call) => operationsOf(call, api.access, shapes, refusals))),
    ]),
  )
  return {
    openapi: "3.1.1",
    info: {
      title: api.title,
      description: `${api.description} HEAD is GET without the body.`,
      version: api.version,
    },
    paths,
    components: {
      schemas: shapes.named,
      responses: Object.fromEntries(refusals),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: `The token of ${api.access.setting}.token.` },
      },
    },
  }
}

/** Every code with which this call can be refused, once it is known that it is this call. */
function errorsOf({ right, parameters, body, errors }: Call<unknown>, access: Access): ApiErrorCode[] {
  const isGuarded = access.guarded.includes(right)
  return [
    ...doorErrors,
    ...tokenErrors.filter(
      (code) => isGuarded && (code === "unauthorized" || access.withoutToken === "refused"),
    ),
    ...(parameters?.query === undefined ? [] : ["invalid_parameter" as const]),
    ...(body === undefined ? [] : bodyErrors),
    ...errors,
    "internal_error",
  ]
}

/** All shapes of an API in one conversion, so that what has an id is there once and is referred to. */
class Shapes {
  readonly #byPlace: Readonly<Record<string, Json>>
  /** Those that have an id. */
  readonly named: Json

  constructor({ calls }: Api<unknown>) {
    const all: [place: string, shape: z.ZodType][] = [["error", apiError]]
    for (const { name, parameters = {}, body, responses } of calls) {
      for (const [kind, values = {}] of [
        ["path", parameters.path],
        ["query", parameters.query],
      ] as const) {
        for (const [key, shape] of Object.entries(values)) all.push([`${name} ${kind} ${key}`, shape])
      }
      if (body !== undefined) all.push([`${name} body`, body.schema])
      for (const [status, { json, events }] of Object.entries(responses)) {
        const shape = json ?? events
        if (shape !== undefined) all.push([`${name} ${status}`, shape])
      }
    }
    const converted = z.toJSONSchema(z.object(Object.fromEntries(all)), {
      io: "input",
      override: withoutNoise,
    })
    const text = JSON.stringify(converted).replaceAll('"#/$defs/', '"#/components/schemas/')
    const { properties = {}, $defs = {} } = JSON.parse(text) as {
      readonly properties?: Readonly<Record<string, Json>>
      readonly $defs?: Json
    }
    this.#byPlace = properties
    this.named = $defs
  }

  at(place: string): Json {
    return this.#byPlace[place]!
  }
}

/** What zod says of every whole number and of every record says nothing. */
function withoutNoise({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  delete jsonSchema.propertyNames
}

/** The operations of a call by method: one, or all where it takes any. */
function operationsOf(
  call: Call<unknown>,
  access: Access,
  shapes: Shapes,
  refusals: Map<string, Json>,
): Readonly<Record<string, Json>> {
  const { name, method, summary, description, body } = call
  const responses = responsesOf(call, access, shapes, refusals)
  const operation = (operationId: string): Json => ({
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    security: securityOf(call, access),
    parameters: parametersOf(call, shapes),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            content: { "application/json": { schema: shapes.at(`${name} body`) } },
          },
        }),
    responses,
  })
  if (method !== "*") return { [method.toLowerCase()]: operation(name) }
  return Object.fromEntries(anyMethod.map((known) => [known, operation(`${name}-${known}`)]))
}

/** No requirement is none; where calls are served without a token too, it is one of two. */
function securityOf({ right }: Call<unknown>, { guarded, withoutToken }: Access): readonly Json[] {
  if (!guarded.includes(right)) return []
  return withoutToken === "served" ? [{ bearer: [] }, {}] : [{ bearer: [] }]
}

function parametersOf({ name, parameters = {} }: Call<unknown>, shapes: Shapes): readonly Json[] {
  const inPath = Object.keys(parameters.path ?? {}).map((key) => ({ name: key, in: "path", required: true }))
  const inQuery = Object.entries(parameters.query ?? {}).map(([key, shape]) => ({
    name: key,
    in: "query",
    required: !shape.safeParse(undefined).success,
  }))
  const inFields = Object.entries(parameters.fields ?? {}).map(([key, description]) => ({
    name: key,
    in: "header",
    required: false,
    description,
    schema: { type: "string" },
  }))
  const shaped = [...inPath, ...inQuery].map((parameter) =>
    Object.assign({}, parameter, { schema: shapes.at(`${name} ${parameter.in} ${parameter.name}`) }),
  )
  return [...shaped, ...inFields]
}

function responsesOf(
  call: Call<unknown>,
  access: Access,
  shapes: Shapes,
  refusals: Map<string, Json>,
): Readonly<Record<string, Json>> {
  const promised = Object.entries(call.responses).map(([status, response]) => [
    status,
    responseOf(response, () => shapes.at(`${call.name} ${status}`)),
  ])
  const byStatus = Map.groupBy(errorsOf(call, access), (code) => apiErrors[code].status)
  const refused = [...byStatus].map(([status, codes]) => [status, refusalOf(codes, refusals)])
  return Object.fromEntries([
    ...promised,
    ...refused,
    ["default", refusalOf(errorsOfAny, refusals)],
  ]) as Record<string, Json>
}

function responseOf({ description, json, events, media, headers }: Promised, shape: () => Json): Json {
  const text = { schema: { type: "string" } }
  const content = Object.fromEntries<Json>((media ?? []).map((type) => [type, text]))
  if (json !== undefined) content["application/json"] = { schema: shape() }
  // OpenAPI 3.1 has no words for the events of a stream: the data of each is JSON of this shape.
  if (events !== undefined) content[eventStreamType] = { ...text, "x-event-data": shape() }
  return {
    description,
    ...(headers === undefined ? {} : { headers: fieldsOf(headers) }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  }
}

/** A reference to the response that refuses with one of these codes. */
function refusalOf(given: readonly ApiErrorCode[], refusals: Map<string, Json>): Json {
  const codes = [...new Set(given)].toSorted()
  const name = codes.join("-")
  if (!refusals.has(name)) {
    const headers = {
      ...(codes.includes("unauthorized")
        ? { "WWW-Authenticate": "The scheme by which the token is presented: Bearer." }
        : {}),
      ...(codes.includes("method_not_allowed") ? { Allow: "The methods that the path has." } : {}),
    }
    refusals.set(name, {
      description: codes.map((code) => `\`${code}\`: ${apiErrors[code].meaning}`).join("\n\n"),
      headers: fieldsOf(headers),
      content: {
        "application/json": {
          schema: {
            allOf: [{ $ref: "#/components/schemas/Error" }],
            properties: { error: { properties: { code: { enum: codes } } } },
          },
          examples: Object.fromEntries(
            codes.map((code) => [code, { value: { error: { code, message: apiErrors[code].meaning } } }]),
          ),
        },
      },
    })
  }
  return { $ref: `#/components/responses/${name}` }
}

function fieldsOf(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  )
}
