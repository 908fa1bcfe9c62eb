/** Certificates and their keys: from PEM files to what the data plane serves, or to what is wrong with which file. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import { normalHost } from "../core/host.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { ConfigDraft } from "./config-schema.ts"
import type { CertificateFiles } from "./config.ts"

/** One mistake, by the setting whose file it is in. */
export interface CertificateFault {
  readonly setting: "cert" | "key"
  /** What is wrong, as the rest of a line that begins with the setting. */
  readonly message: string
}

/** A certificate that can be served: what its files hold. */
export interface TlsCertificate {
  /** PEM: the certificate, then those that lead from it to its root. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  /** The host names it is for: `a.example` or `*.example`. */
  readonly names: readonly string[]
}

/** The same, and until when. */
export interface ReadCertificate extends TlsCertificate {
  readonly validFrom: Date
  readonly validTo: Date
}

/** Reads both files, or returns everything that is wrong with them. A certificate that has expired is no mistake. */
export function readCertificate(
  files: CertificateFiles,
  readFile: (path: string) => Result<string, string>,
): Result<ReadCertificate, readonly CertificateFault[]> {
  const cert = read("cert", files, readFile, leafOf)
  const key = read("key", files, readFile, privateKeyOf)
  if (!cert.ok || !key.ok) return fail([cert, key].flatMap((part) => (part.ok ? [] : [part.error])))
  const leaf = cert.value.parsed
  if (!leaf.checkPrivateKey(key.value.parsed)) {
    return fail([{ setting: "key", message: `the file "${files.key}" is not the key of "${files.cert}"` }])
  }
  const unusable = contextFault(cert.value.pem, key.value.pem)
  if (unusable !== undefined) {
    return fail([{ setting: "cert", message: `the file "${files.cert}" cannot be served: ${unusable}` }])
  }
  return ok({
    cert: cert.value.pem,
    key: key.value.pem,
    names: files.names ?? namesOf(leaf),
    validFrom: leaf.validFromDate,
    validTo: leaf.validToDate,
  })
}

/** The certificates of authorities to trust, as PEM, or what is wrong with the file. */
function readAuthorities(
  path: string,
  readFile: (path: string) => Result<string, string>,
): Result<string, string> {
  const text = readFile(path)
  if (!text.ok) return fail(`the file "${path}" cannot be read: ${text.error}`)
  const first = leafOf(text.value)
  return first.ok ? ok(text.value) : fail(`expected ${first.error} in the file "${path}"`)
}

/** The files of `upstream.tls`: paths, or what they hold. */
export type BackendTlsFiles = Pick<ConfigDraft["upstream"]["tls"], "ca" | "cert" | "key">

/** Reads those that there are, or returns everything that is wrong with them. A certificate is read only with its key. */
export function readBackendTls(
  files: BackendTlsFiles,
  readFile: (path: string) => Result<string, string>,
): Result<BackendTlsFiles, readonly { readonly setting: keyof BackendTlsFiles; readonly message: string }[]> {
  const { ca, cert, key } = files
  const authorities = ca === undefined ? ok(undefined) : readAuthorities(ca, readFile)
  const own =
    cert === undefined || key === undefined
      ? ok({ cert: undefined, key: undefined })
      : readCertificate({ cert, key, names: undefined }, readFile)
  if (authorities.ok && own.ok) {
    return ok({ ca: authorities.value, cert: own.value.cert, key: own.value.key })
  }
  return fail([
    ...(authorities.ok ? [] : [{ setting: "ca" as const, message: authorities.error }]),
    ...(own.ok ? [] : own.error),
  ])
}

/**
 * The host names that a certificate is for, in their normal form; its subject counts when it has no alternative names.
 */
function namesOf(certificate: X509Certificate): string[] {
  const { subjectAltName, subject } = certificate
  // Names with odd characters are quoted there, so this separator is none of theirs.
  const found =
    subjectAltName === undefined
      ? /^CN=(.+)$/m.exec(subject)?.slice(1, 2)
      : subjectAltName.split(", ").flatMap((name) => (name.startsWith("DNS:") ? [name.slice(4)] : []))
  return (found ?? []).map(normalHost)
}

interface Part<T> {
  readonly pem: string
  readonly parsed: T
}

function read<T>(
  setting: "cert" | "key",
  files: CertificateFiles,
  readFile: (path: string) => Result<string, string>,
  parse: (pem: string) => Result<T, string>,
): Result<Part<T>, CertificateFault> {
  const path = files[setting]
  const text = readFile(path)
  if (!text.ok) return fail({ setting, message: `the file "${path}" cannot be read: ${text.error}` })
  const parsed = parse(text.value)
  return parsed.ok
    ? ok({ pem: text.value, parsed: parsed.value })
    : fail({ setting, message: `expected ${parsed.error} in the file "${path}"` })
}

function leafOf(pem: string): Result<X509Certificate, string> {
  const expected = "a certificate in PEM form"
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) return fail(expected)
  try {
    return ok(new X509Certificate(pem))
  } catch {
    return fail(expected)
  }
}

function privateKeyOf(pem: string): Result<KeyObject, string> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)) {
    return fail("a private key without a passphrase")
  }
  try {
    return ok(createPrivateKey(pem))
  } catch {
    return fail("a private key in PEM form")
  }
}

/** What keeps OpenSSL from serving it: a broken chain, or a key that is too small for its security level. */
function contextFault(cert: string, key: string): string | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    const { message, reason } = error as Error & { reason?: string }
    return reason ?? message
  }
}
