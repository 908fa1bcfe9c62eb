/** Certificates for tests, made with the openssl command in a folder that goes with the test. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"

export interface Issued {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** Its own certificate, PEM. */
  readonly ca: string
  /** A certificate for these names, as `DNS:a.test` or `IP:127.0.0.1`; with `days` < 0 it has run out. */
  readonly issue: (names: readonly string[], days?: number) => Issued
}

/** A certificate authority that no program knows. */
export function authority(t: TestContext): Authority {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-authority-"))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"], timeout: 20_000 })
  }
  const read = (file: string): string => readFileSync(join(folder, file), "utf8")
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"]
  openssl("req", "-x509", ...key, "ca.key", "-out", "ca.crt", "-subj", "/CN=Test authority", "-days", "2")
  let issued = 0
  const issue = (names: readonly string[], days = 2): Issued => {
    const name = `leaf-${issued++}`
    const alternatives = `subjectAltName=${names.join(",")}`
    openssl("req", ...key, `${name}.key`, "-out", `${name}.csr`, "-subj", "/CN=leaf", "-addext", alternatives)
    const signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
    openssl("x509", "-req", "-in", `${name}.csr`, ...signing, "-days", String(days), "-out", `${name}.crt`)
    return { cert: read(`${name}.crt`), key: read(`${name}.key`) }
  }
  return { ca: read("ca.crt"), issue }
}
