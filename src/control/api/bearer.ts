import { createHash, timingSafeEqual } from "node:crypto"

/** Whether the field `Authorization` presents this token. How long it takes tells nothing about the token. */
export function presents(authorization: string | undefined, token: string): boolean {
  const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? []
  // Hashes are of one length, whatever was given.
  return given !== undefined && timingSafeEqual(hashOf(given), hashOf(token))
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest()
}
