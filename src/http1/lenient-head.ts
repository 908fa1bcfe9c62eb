/**
 * Heads of responses as old backends write them (`upstream.lenientHeads`). Cold: only what the strict parser has
 * refused comes here, and it has the last word on what comes of it.
 */
import type { Head } from "./head.ts"
import { LF } from "./characters.ts"

/** Whether a head was refused for what `straightened` may fix. */
export function isBent({ error, bytes, start }: Head): boolean {
  // `HTTP/1.1 200` and LF: a status line without a reason.
  if (error === "malformed_start_line") return bytes[start + 12] === LF
  return error === "bare_line_ending" || error === "folded_field" || error === "malformed_field"
}

/**
 * bytes[from..to), of which the head is as the grammar has it: every line ends in CRLF (RFC 9112 2.2), a line that goes
 * on in the next is one, with a space for the break (5.2), and nothing stands between a name and its colon (5.1).
 * Undefined while the head has not ended.
 */
export function straightened(bytes: Buffer, from: number, to: number): Buffer | undefined {
  const lines: string[] = []
  for (let at = from; ;) {
    const end = bytes.indexOf(LF, at)
    if (end === -1 || end >= to) return undefined
    const line = bytes.toString("latin1", at, end).replace(/\r$/, "")
    at = end + 1
    if (line === "") {
      const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1")
      return Buffer.concat([head, bytes.subarray(at, to)])
    }
    // Behind the status line there is nothing yet that could go on.
    if (/^[ \t]/.test(line) && lines.length > 1) lines.push(`${lines.pop()!.trimEnd()} ${line.trim()}`)
    else lines.push(lines.length === 0 ? line : line.replace(/^([^\s:]+)[ \t]+:/, "$1:"))
  }
}
