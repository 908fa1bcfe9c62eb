/** Certificates made while a test runs, by the openssl command: Node can read certificates but not sign them. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TlsCertificate } from "../../src/config/certificates.ts"
import type { Cleaner } from "./processes.ts"

/** Why there are no certificates, for `skip`; false when there can be. */
export const noOpenssl: string | false = hasOpenssl() ? false : "there is no openssl command here"

export interface CertificateFolder {
  readonly path: string
  /** Makes NAME.pem and NAME.key.pem, self-signed for these host names; an older pair is replaced. */
  readonly make: (name: string, hosts: readonly string[], days?: number) => TlsCertificate
  readonly file: (name: string) => string
}

/** A folder that goes with the test. */
export function certificateFolder(cleaner: Cleaner): CertificateFolder {
  const path = mkdtempSync(join(tmpdir(), "linebacker-tls-"))
  cleaner.after(() => rmSync(path, { recursive: true, force: true }))
  const file = (name: string): string => join(path, name)
  return {
    path,
    file,
    make: (name, hosts, days = 2) => {
      const [cert, key] = [file(`${name}.pem`), file(`${name}.key.pem`)]
      openssl(
        ["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        ["-subj", `/CN=${hosts[0] ?? name}`, "-days", String(days), "-keyout", key, "-out", cert],
        hosts.length === 0
          ? []
          : ["-addext", `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(",")}`],
      )
      return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8"), names: hosts }
    },
  }
}

export function openssl(...args: readonly (readonly string[])[]): void {
  execFileSync("openssl", args.flat(), { stdio: ["ignore", "ignore", "pipe"] })
}

function hasOpenssl(): boolean {
  try {
    openssl(["version"])
    return true
  } catch {
    return false
  }
}
