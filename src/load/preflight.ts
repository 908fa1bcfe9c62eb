/** Looks whether there is a target at all before anything is sent to it. */
import { lookup } from "node:dns/promises"
import { connect, isIP } from "node:net"
import type { Millis } from "../core/clock.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { Target } from "./connection.ts"

/** A URL as a target: the address to connect to, what Host says, and the path. */
export interface ParsedTarget {
  readonly target: Target
  readonly host: string
  readonly path: string
}

/** Reads `http://host:port/path`; the error is a sentence. */
export function parseTarget(text: string, verify: boolean): Result<ParsedTarget, string> {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  if (url === null) return fail(`expected a URL like http://127.0.0.1:5252/, found "${text}"`)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return fail(`expected a URL that starts with http:// or https://, found "${text}"`)
  }
  if (url.username !== "" || url.password !== "") {
    return fail("a name and a password in the URL are not sent; use --header 'Authorization: …'")
  }
  const secure = url.protocol === "https:"
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port)
  const name = url.hostname.replace(/^\[|\]$/g, "")
  return ok({
    target: { host: name, address: name, port, secure, verify },
    host: url.host,
    path: `${url.pathname}${url.search}`,
  })
}

/** The target with its name resolved, once it has taken a connection; else a sentence that says why it did not. */
export async function preflight(target: Target, timeoutMs: Millis): Promise<Result<Target, string>> {
  const where = `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`
  let address = target.host
  if (isIP(address) === 0) {
    try {
      address = (await lookup(address)).address
    } catch (error) {
      const { code = "unknown" } = error as NodeJS.ErrnoException
      const reason = code === "ENOTFOUND" ? "there is no such host" : "its name cannot be resolved"
      return fail(`cannot connect to ${where}: ${reason} (${code})`)
    }
  }
  const reason = await new Promise<string | undefined>((resolve) => {
    const socket = connect({ host: address, port: target.port })
    const end = (what: string | undefined): void => {
      socket.destroy()
      resolve(what)
    }
    socket.setTimeout(timeoutMs, () => end(`it did not respond within ${timeoutMs} ms`))
    socket.once("connect", () => end(undefined))
    socket.once("error", (error: NodeJS.ErrnoException) => {
      end(
        error.code === "ECONNREFUSED"
          ? "no program listens there (ECONNREFUSED)"
          : (error.code ?? error.message),
      )
    })
  })
  return reason === undefined ? ok({ ...target, address }) : fail(`cannot connect to ${where}: ${reason}`)
}
