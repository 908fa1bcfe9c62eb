/**
 * A call of an API of the control plane: all that is known of it, and what it does, in one value. The kernel serves it
 * (kernel.ts), the OpenAPI document describes it (openapi.ts), and a client can be made of it. Nothing here needs a
 * server.
 */
import type { Writable } from "node:stream"
import type * as z from "zod"
import { ok, type Result } from "../../core/result.ts"
import type { ApiError, ApiErrorCode } from "./api-errors.ts"

/**
 * What a caller must be allowed to: `open` calls are there for anything that reaches the listener, `read` calls show
 * something, `write` calls change something. Which of them need the token is the API's to say.
 */
export type Right = "open" | "read" | "write"

/** Parameters by name. What is not there is undefined to its schema. */
export type Parameters = Readonly<Record<string, z.ZodType>>

/** One response, as it is promised. One of `json`, `events` and `media` says what its body is; without them none. */
export interface Promised {
  readonly description: string
  /** JSON of this shape. */
  readonly json?: z.ZodType
  /** A stream of events (text/event-stream), each with JSON of this shape. */
  readonly events?: z.ZodType
  /** Text or bytes of one of these media types: of the first unless the reply says another. */
  readonly media?: readonly [string, ...string[]]
  /** Fields besides those that every response has, and what they say. */
  readonly headers?: Readonly<Record<string, string>>
}

/** By status. */
export type Responses = Readonly<Record<number, Promised>>

/** How a stream of events is sent. */
export const eventStreamType = "text/event-stream; charset=utf-8"

/** Goes on writing to the response after its head has been sent, and sees itself to what becomes of it. */
export type Stream = (response: Writable) => void

/** What a call says when it is not refused. */
export interface Reply {
  readonly status: number
  /** What `json` promises, a `Stream` for `events`, text or bytes for `media`. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Values that may be shared: nothing in them can be changed. */
export type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T

export type BodyOf<P extends Promised> = P extends { readonly json: infer Shape extends z.ZodType }
  ? { readonly body: Immutable<z.input<Shape>> }
  : P extends { readonly events: z.ZodType }
    ? { readonly body: Stream }
    : P extends { readonly media: unknown }
      ? { readonly body: string | Uint8Array }
      : { readonly body?: undefined }

export type ReplyOf<R extends Responses> = {
  [Status in keyof R & number]: {
    readonly status: Status
    readonly headers?: Readonly<Record<string, string>>
  } & BodyOf<R[Status]>
}[keyof R & number]

/** What a call gets: parsed, within all limits, from a caller that may. */
export interface CallInput<Path = unknown, Query = unknown, Fields = unknown, Body = unknown> {
  readonly path: Path
  readonly query: Query
  readonly fields: Fields
  /** Undefined where there is none and none is required. */
  readonly body: Body
  /** The caller's IP address, IPv4 as such. */
  readonly peer: string
}

export interface Call<Services> {
  /** `operationId` of the OpenAPI document, and of a client made of it. Unique within an API. */
  readonly name: string
  /** GET includes HEAD. `*` is every method. */
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "*"
  /** `/v1/backends/{id}`. A path whose parameters their schemas do not take is another path. */
  readonly path: string
  readonly right: Right
  /** One line without a full stop. */
  readonly summary: string
  readonly description?: string
  readonly parameters?: {
    readonly path?: Parameters
    readonly query?: Parameters
    /** Fields that the call reads, by name in lower case, and what they say. */
    readonly fields?: Readonly<Record<string, string>>
  }
  /** A call without it reads no body. */
  readonly body?: { readonly schema: z.ZodType; readonly required: boolean }
  readonly responses: Responses
  /** What it refuses with besides what the kernel does; `invalid_body` need not be said where there is a body. */
  readonly errors: readonly ApiErrorCode[]
  /**
   * Free of HTTP: from input and services to a reply or a refusal. What it throws is a bug. (A method, so that a call
   * with an input of its own is one of these: the kernel gives each what its shapes let through.)
   */
  handle(input: CallInput, services: Services): Result<Reply, ApiError> | Promise<Result<Reply, ApiError>>
}

type Values<P extends Parameters> = { readonly [Name in keyof P]: z.output<P[Name]> }

/**
 * A call whose handler is held to what is promised: to the shapes of parameters, body and responses, and to the errors
 * that are listed.
 */
export function call<
  Services,
  const R extends Responses,
  const Code extends ApiErrorCode = never,
  Body extends z.ZodType = z.ZodUndefined,
  Required extends boolean = true,
  Path extends Parameters = Parameters,
  Query extends Parameters = Parameters,
  Fields extends string = never,
>(
  definition: Omit<Call<Services>, "parameters" | "body" | "responses" | "errors" | "handle"> & {
    readonly parameters?: {
      readonly path?: Path
      readonly query?: Query
      readonly fields?: Readonly<Record<Fields, string>>
    }
    readonly body?: { readonly schema: Body; readonly required: Required }
    readonly responses: R
    readonly errors: readonly Code[]
    handle(
      input: CallInput<
        Values<Path>,
        Values<Query>,
        Readonly<Record<Fields, string | undefined>>,
        z.output<Body> | (Required extends true ? never : undefined)
      >,
      services: Services,
    ): Handled<R, Code> | Promise<Handled<R, Code>>
  },
): Call<Services> {
  return definition
}

type Handled<R extends Responses, Code extends ApiErrorCode> = Result<
  ReplyOf<R>,
  ApiError<Code | "invalid_body">
>

/** What a handler returns when it does not refuse. */
export function reply<const Status extends number, Body = undefined>(
  status: Status,
  body?: Body,
  headers: Readonly<Record<string, string>> = {},
): Replied<Status, Body> {
  return ok({ status, body: body as Body, headers })
}

export interface Replied<Status extends number, Body> {
  readonly ok: true
  readonly value: {
    readonly status: Status
    readonly body: Body
    readonly headers: Readonly<Record<string, string>>
  }
}

/** A whole API: its calls, and what they need of a caller. What it needs to run is its services. */
export interface Api<Services> {
  readonly title: string
  readonly description: string
  /** Grows when something is taken away or changed that callers rely on. */
  readonly version: string
  readonly calls: readonly Call<Services>[]
  readonly access: Access
  /** What `path` of an error says where the whole body is meant; without it there is no path then. */
  readonly wholeBodyPath?: string
  /** Fields of every response; a reply may have others by these names. */
  readonly headers: Readonly<Record<string, string>>
}

/** Which requests are served, as far as that does not depend on the configuration. */
export interface Access {
  /** The first word of the names of the settings that say the rest: `admin` for `admin.token`. */
  readonly setting: string
  /** Rights that need the token. */
  readonly guarded: readonly Right[]
  /** What becomes of a guarded call where no token is configured. */
  readonly withoutToken: "refused" | "served"
  /** Whether web pages may call: those of this very listener only, or none. */
  readonly pages: "own" | "none"
  /** Whether `Host` may also be a name without a dot, or missing, as it is between containers of one network. */
  readonly neighbours: boolean
}
