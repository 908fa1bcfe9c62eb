/** That a peer does what all must do, before anything is measured: otherwise unlike things would be compared. */
import { get as getPlain, type IncomingMessage } from "node:http"
import { get as getWithTls } from "node:https"

const requests = 32
const answerMsMax = 5_000

/** Rejects unless all backends take part and the fields that a proxy adds arrive. */
export async function checkRelay(
  name: string,
  scheme: "http" | "https",
  port: number,
  backends: readonly number[],
): Promise<void> {
  const seen = new Set<string>()
  for (let i = 0; i < requests; i++) {
    const { status, text } = await echo(scheme, port)
    const [backend, host, client, forwardedScheme, forwardedHost, via] = text.trim().split("|")
    const isRight =
      status === 200 &&
      host === `127.0.0.1:${port}` &&
      client === "127.0.0.1" &&
      forwardedScheme === scheme &&
      forwardedHost === host &&
      via !== undefined &&
      /^(HTTP\/)?1\.1 \S+/i.test(via)
    if (!isRight) throw new Error(`${name} does not relay as all must: ${status} ${JSON.stringify(text)}`)
    seen.add(backend!)
  }
  if (seen.size !== backends.length) throw new Error(`${name} used only the backends ${[...seen].join(", ")}`)
}

function echo(
  scheme: "http" | "https",
  port: number,
): Promise<{ readonly status: number; readonly text: string }> {
  const get = scheme === "http" ? getPlain : getWithTls
  const signal = AbortSignal.timeout(answerMsMax)
  return new Promise((resolve, reject) => {
    // The certificate is our own, made a moment ago.
    const options = { host: "127.0.0.1", port, path: "/echo", signal, rejectUnauthorized: false }
    get(options, (response: IncomingMessage) => {
      let text = ""
      response.setEncoding("latin1")
      response.on("data", (part: string) => (text += part))
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text }))
    }).once("error", reject)
  })
}
