/**
 * What keeps requests together: a key of the request, or a cookie that names the backend. Hot path only where the
 * operator asked for it; each request then costs a string or two.
 *
 * A cookie holds no backend's id, which may say more of the inside than outsiders should know, but a keyed hash of it.
 * A client that changes it gets another backend at most: it grants nothing.
 */
import { createHmac } from "node:crypto"
import type { BackendId } from "../core/backend.ts"
import { xxhash32 } from "../core/hash.ts"
import { fields } from "../core/http/fields.ts"
import type { MessageHead } from "../core/http/message-head.ts"
import { equals } from "../http1/field-names.ts"
import type { AffinityOptions, CookieOptions } from "../config/config.ts"

const tokenLength = 22

/** The cookies of one thread: which backend each names. */
export class Bindings {
  readonly #key: string
  #tokens = new Map<BackendId, string>()
  #ids = new Map<string, BackendId>()

  constructor(key: string) {
    this.#key = key
  }

  /** Cold: the backends there are now. A cookie of one that has left names no backend. */
  replace(members: Iterable<BackendId>): void {
    const tokens = new Map<BackendId, string>()
    for (const id of members) tokens.set(id, this.#tokens.get(id) ?? this.#make(id))
    this.#tokens = tokens
    this.#ids = new Map([...tokens].map(([id, token]) => [token, id]))
  }

  /**
   * The backend that a cookie of this name names. A client may send several (RFC 6265 5.4: of other paths and domains,
   * or left from an earlier key): the first that names a backend counts. Undefined when none does.
   */
  boundBy(head: MessageHead, name: string): BackendId | undefined {
    for (let field = 0; field < head.count; field++) {
      if (head.ids[field] !== fields.cookie) continue
      const id = valueIn(head.value(field), name, ";", (token) => this.#ids.get(token))
      if (id !== undefined) return id
    }
    return undefined
  }

  /** Of any backend, also of one that has left while it still answered. */
  tokenOf(id: BackendId): string {
    return this.#tokens.get(id) ?? this.#make(id)
  }

  #make(id: BackendId): string {
    return createHmac("sha256", this.#key).update(id).digest("base64url").slice(0, tokenLength)
  }
}

/**
 * The field lines that bind a client to a backend. The cookie is not readable by scripts. Set-Cookie keeps no cache
 * from storing a response (RFC 9111 7.3), and a shared one would bind all clients to the backend of the one that asked
 * first. So the response is said to be for this client alone, unless `caching` keeps what the backend says. `private`
 * holds beside another Cache-Control too (RFC 9111 3).
 *
 * @param isSecure whether the client's connection was within TLS
 */
export function bindingLines(
  { caching, cookie, name }: AffinityOptions,
  token: string,
  isSecure: boolean,
): string {
  const line = `Set-Cookie: ${name}=${token}${attributesOf(cookie, isSecure)}\r\n`
  return caching === "private" ? `${line}Cache-Control: private\r\n` : line
}

function attributesOf(
  { sameSite, secure, partitioned, maxAgeSeconds, domain, path }: CookieOptions,
  isSecure: boolean,
): string {
  return (
    `; Path=${path}` +
    (domain === "" ? "" : `; Domain=${domain}`) +
    (maxAgeSeconds === 0 ? "" : `; Max-Age=${maxAgeSeconds}`) +
    `; HttpOnly; SameSite=${sameSite}` +
    (secure || isSecure ? "; Secure" : "") +
    (partitioned ? "; Partitioned" : "")
  )
}

/** The hash (uint32) of what `kind` says of the request; undefined where it says nothing. */
export function affinityHashOf(
  { kind, name }: AffinityOptions,
  head: MessageHead,
  client: string | undefined,
): number | undefined {
  const key = keyOf(kind, name, head, client)
  return key === undefined ? undefined : xxhash32(key)
}

function keyOf(
  kind: AffinityOptions["kind"],
  name: string,
  head: MessageHead,
  client: string | undefined,
): string | undefined {
  switch (kind) {
    case "header":
      return namedField(head, name)
    case "address":
      return client
    case "path":
    case "query": {
      const target = head.bytes.toString("latin1", head.pathStart, head.pathEnd)
      const mark = target.indexOf("?")
      if (kind === "path") return mark === -1 ? target : target.slice(0, mark)
      return mark === -1 ? undefined : valueIn(target.slice(mark + 1), name, "&", (value) => value)
    }
    case "cookie":
    case "none":
      return undefined
  }
}

/** The value of the first field with this name, given in lower case. */
function namedField(head: MessageHead, name: string): string | undefined {
  const { bytes, offsets } = head
  for (let field = 0; field < head.count; field++) {
    const start = offsets[field * 4]!
    const end = offsets[field * 4 + 1]!
    if (end - start !== name.length) continue
    if (equals(bytes, start, end, name)) return head.value(field)
  }
  return undefined
}

/** Of the values behind `name=` in `a=1; b=2`, or in `a=1&b=2`, the first that `take` makes something of. */
function valueIn<T>(
  text: string,
  name: string,
  separator: string,
  take: (value: string) => T | undefined,
): T | undefined {
  let start = 0
  while (start <= text.length) {
    let end = text.indexOf(separator, start)
    if (end === -1) end = text.length
    while (text.charCodeAt(start) === 0x20) start++
    if (text.startsWith(name, start) && text[start + name.length] === "=") {
      const taken = take(text.slice(start + name.length + 1, end).trimEnd())
      if (taken !== undefined) return taken
    }
    start = end + 1
  }
  return undefined
}
