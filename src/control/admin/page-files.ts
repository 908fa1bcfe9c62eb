/** The files of the page: which there are, and how they are served. */
import { type Promised, type Replied, reply } from "../api/call.ts"

export interface PageAsset {
  readonly type: string
  readonly bytes: Uint8Array
  /** Strong, with its quotes. */
  readonly etag: string
}

/** By absolute path on the listener. */
export type PageAssets = ReadonlyMap<string, PageAsset>

/** In a checkout the scripts are TypeScript, whose types are erased; the published package has them built. */
export const scriptLanguage: "ts" | "js" = import.meta.url.endsWith(".ts") ? "ts" : "js"

/** Closed: nothing else of the folder is ever served. */
export const scripts = ["page", "card", "dom", "policy", "routes", "trail", "words"] as const

/** Under which name a script is served: the HTML asks for `page.js`, and scripts for each other as they are written. */
export function servedName(script: (typeof scripts)[number], language: "ts" | "js"): string {
  return script === "page" ? "page.js" : `${script}.${language}`
}

/** What the page loads. */
export const pageFiles: readonly string[] = [
  "page.css",
  ...scripts.map((name) => servedName(name, scriptLanguage)),
]

/** The fields of a request for a file. */
export const fileFields: Readonly<Record<"if-none-match", string>> = {
  "if-none-match": "Entity tags that the caller has.",
}

/** What is promised of a file. */
export type FileResponses = {
  readonly 200: Promised & { readonly media: readonly [string, ...string[]] }
  readonly 304: { readonly description: string; readonly headers: Readonly<Record<string, string>> }
}

/** @param media types of which a file may be */
export function fileResponses(...media: readonly [string, ...string[]]): FileResponses {
  const headers = { ETag: "A strong entity tag." }
  return {
    200: { description: "The file.", media, headers },
    304: { description: "The caller has it already.", headers },
  }
}

/** The file, unless the caller has it already. */
export function fileReply(
  { type, bytes, etag }: PageAsset,
  fields: { readonly "if-none-match": string | undefined },
): Replied<304, undefined> | Replied<200, Uint8Array> {
  const headers = { "Cache-Control": "no-cache", ETag: etag }
  if (matchesTag(fields["if-none-match"], etag)) return reply(304, undefined, headers)
  return reply(200, bytes, { ...headers, "Content-Type": type })
}

/** Whether an `If-None-Match` names this entity tag (RFC 9110 13.1.2: the comparison is weak). */
function matchesTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  const tags = ifNoneMatch.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  return tags.includes("*") || tags.includes(etag)
}
