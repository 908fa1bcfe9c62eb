/** From the method and the target of a request to a call, within one API. */
import * as z from "zod"
import type { Call } from "./call.ts"

/** All calls of one path. */
interface PathCalls<Services> {
  readonly segments: readonly string[]
  readonly parameters: z.ZodObject
  readonly byMethod: ReadonlyMap<string, MethodCall<Services>>
  /** For the field `Allow`. */
  readonly allowed: string
}

interface MethodCall<Services> {
  readonly call: Call<Services>
  /** Undefined where the call reads no query. */
  readonly query: z.ZodObject | undefined
}

/** What is at a path: the call, unless its methods are others; and what stands in the path for its parameters. */
export interface Found<Services> extends Partial<MethodCall<Services>> {
  readonly path: Readonly<Record<string, unknown>>
  /** For the field `Allow`. */
  readonly allowed: string
}

export class CallTable<Services> {
  readonly #places: readonly PathCalls<Services>[]

  constructor(calls: readonly Call<Services>[]) {
    this.#places = [...Map.groupBy(calls, ({ path }) => path)].map(([path, those]) => ({
      segments: path.split("/"),
      parameters: z.object(those[0]!.parameters?.path ?? {}),
      byMethod: new Map(those.map((call) => [call.method, methodCall(call)])),
      allowed: those.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", "),
    }))
  }

  /** What is at this path of a target; undefined when nothing is. A place that comes earlier counts first. */
  find(method: string, path: string): Found<Services> | undefined {
    const segments = path.split("/").map(decoded)
    for (const { segments: pattern, parameters, byMethod, allowed } of this.#places) {
      const values = valuesIn(pattern, segments)
      const read = values && parameters.safeParse(values)
      if (read?.success !== true) continue
      const known = byMethod.get(method === "HEAD" ? "GET" : method) ?? byMethod.get("*")
      return { ...known, path: read.data, allowed }
    }
    return undefined
  }
}

function methodCall<Services>(call: Call<Services>): MethodCall<Services> {
  const query = call.parameters?.query
  return { call, query: query && z.object(query) }
}

/** What stands where the pattern has `{name}`, never nothing; undefined where they differ otherwise. */
function valuesIn(
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const values: Record<string, string> = {}
  for (const [index, expected] of pattern.entries()) {
    const segment = segments[index]!
    const name = /^\{(.+)\}$/.exec(expected)?.[1]
    if (name === undefined ? segment !== expected : segment === "") return undefined
    if (name !== undefined) values[name] = segment
  }
  return values
}

/** One whose percent-encoding is broken stays as it is. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
