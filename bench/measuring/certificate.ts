/** A self-signed certificate, made anew for every run: ECDSA P-256, what most sites have today. */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Certificate } from "../peers/peer.ts"

export function makeCertificate(folder: string): Certificate {
  const certificate = join(folder, "certificate.pem")
  const key = join(folder, "key.pem")
  const both = join(folder, "both.pem")
  execFileSync(
    "openssl",
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost
      -addext subjectAltName=DNS:localhost,IP:127.0.0.1`
      .split(/\s+/)
      .concat("-keyout", key, "-out", certificate),
    { stdio: ["ignore", "ignore", "pipe"] },
  )
  writeFileSync(both, readFileSync(certificate, "utf8") + readFileSync(key, "utf8"))
  return { certificate, key, both }
}
