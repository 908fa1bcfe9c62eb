/** The files that settings name: what they hold in their place, and the paths of those that are followed later. */

import type { Result } from "../core/result.ts"
import type { ConfigIssue } from "../text/issue.ts"
import { readBackendTls, readCertificate } from "./certificates.ts"
import type { ConfigDraft } from "./config-schema.ts"
import type { CertificateFiles } from "./config.ts"
import { tokenExpected, tokenPattern } from "./schema/control.ts"

/** How the files that a configuration names are read. */
export interface ConfigFiles {
  /** The whole text of a file, or why it cannot be read. */
  readonly readFile: (path: string) => Result<string, string>
  /** The absolute path of a file that is named relative to the configuration; the path itself when absent. */
  readonly resolvePath?: (path: string) => string
}

/**
 * Reads tokens and what connections to backends are made with. Certificates of listeners are read to find what is wrong
 * with them; the keeper of certificates reads them again at the start and when they change, and gets absolute paths.
 *
 * @param issues takes what is wrong with the files.
 */
export function withFiles(draft: ConfigDraft, context: ConfigFiles, issues: ConfigIssue[]) {
  const { admin, discovery, registration, tls, upstream } = draft
  const { resolvePath = (path) => path } = context
  const whole = (path: string | undefined): string | undefined => path && resolvePath(path)
  const followed = (files: CertificateFiles) => {
    return { ...files, cert: resolvePath(files.cert), key: resolvePath(files.key) }
  }
  const { ca, cert, key } = upstream.tls
  issues.push(...certificateIssues(draft, context))
  return {
    ...draft,
    discovery: {
      ...discovery,
      files: discovery.files.map((name) => ({ name, path: resolvePath(name) })),
    },
    registration: { ...registration, token: tokenOf("registration", draft, context, issues) },
    admin: { ...admin, token: tokenOf("admin", draft, context, issues) },
    tls: tls && { ...tls, certificates: tls.certificates.map(followed) },
    upstream: {
      ...upstream,
      tls: backendTlsOf(draft, context, issues),
      /** Where `tls` was read from: the files are read again when they change. */
      tlsFiles: { ca: whole(ca), cert: whole(cert), key: whole(key) },
    },
  }
}

/** The token of a section, from where it stands. */
function tokenOf(
  section: "registration" | "admin",
  draft: ConfigDraft,
  { readFile }: ConfigFiles,
  issues: ConfigIssue[],
): string | undefined {
  const { token, tokenFile } = draft[section]
  if (tokenFile === undefined) return token
  const text = readFile(tokenFile)
  const value = text.ok ? text.value.trimEnd() : undefined
  if (value !== undefined && tokenPattern.test(value)) return value
  const message = text.ok
    ? `expected ${tokenExpected} in the file "${tokenFile}"`
    : `the file "${tokenFile}" cannot be read: ${text.error}`
  issues.push({ path: [section, "tokenFile"], at: "value", message, found: undefined })
  return undefined
}

/** `upstream.tls` with what its files hold in the place of their paths. */
function backendTlsOf(
  { upstream: { tls } }: ConfigDraft,
  { readFile }: ConfigFiles,
  issues: ConfigIssue[],
): ConfigDraft["upstream"]["tls"] {
  const read = readBackendTls(tls, readFile)
  if (read.ok) return { ...tls, ...read.value }
  for (const { setting, message } of read.error) {
    issues.push({ path: ["upstream", "tls", setting], at: "value", message, found: undefined })
  }
  return tls
}

/** What is wrong with the files of certificates, each where its path stands. */
function certificateIssues({ tls }: ConfigDraft, { readFile }: ConfigFiles): ConfigIssue[] {
  return (tls?.certificates ?? []).flatMap((files, index) => {
    const certificate = readCertificate(files, readFile)
    const path = ["tls", "certificates", index]
    if (!certificate.ok) {
      return certificate.error.map(({ setting, message }): ConfigIssue => {
        return { path: [...path, setting], at: "value", message, found: undefined }
      })
    }
    // Only the first is served to clients that ask for no name, or for one that no certificate is for.
    if (index === 0 || certificate.value.names.length > 0) return []
    const message = `the certificate in "${files.cert}" names no host, so no client would get it: give it names`
    return [{ path: [...path, "cert"], at: "value", message, found: undefined }]
  })
}
