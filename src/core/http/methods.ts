/** What the methods of RFC 9110 9 promise. A method that is not known promises nothing. */

/** Whether a method changes nothing on the server (RFC 9110 9.2.1). */
export function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS"
}

/** Whether a method may be sent again when its fate is unknown (RFC 9110 9.2.2). */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case "GET":
    case "HEAD":
    case "OPTIONS":
    case "PUT":
    case "DELETE":
      return true
    default:
      return false
  }
}
