import type { Result } from "../../core/result.ts"
import type { BackendOptions } from "../../config/config.ts"
import type { Timers } from "../../system.ts"
import type { CertificatesRead } from "./certificate-store.ts"
import { type BackendTlsFiles, readBackendTls } from "../../config/certificates.ts"
import { FileFollower, type FollowedFiles } from "../file-follower.ts"

export interface BackendTlsKeeperParts {
  readonly readFile: (path: string) => Result<string, string>
  readonly stamp: FollowedFiles["stamp"]
  readonly timers: Timers
  /** One line for a person. */
  readonly log: (line: string) => void
  readonly onChange: (tls: BackendOptions["tls"]) => void
}

/**
 * What connections to backends are made with, read again when its files change: the authorities that are trusted, and
 * what the balancer shows of itself. Files that cannot be used keep what was before.
 */
export class BackendTlsKeeper {
  readonly #files: BackendTlsFiles
  readonly #parts: BackendTlsKeeperParts
  readonly #follower: FileFollower
  #tls: BackendOptions["tls"]

  /** @param tls as the files were read, with what is configured besides */
  constructor(tls: BackendOptions["tls"], files: BackendTlsFiles, parts: BackendTlsKeeperParts) {
    const paths = [files.ca, files.cert, files.key].filter((path) => path !== undefined)
    this.#files = files
    this.#parts = parts
    this.#tls = tls
    this.#follower = new FileFollower({ ...parts, paths })
    if (paths.length > 0) this.#follower.start(() => this.reload())
  }

  /** Reads the files again, and takes them if they are right; all of them count as one. */
  reload(): CertificatesRead {
    const { log, onChange, readFile } = this.#parts
    const read = readBackendTls(this.#files, readFile)
    if (!read.ok) {
      for (const { setting, message } of read.error)
        log(`upstream.tls.${setting}: ${message}; what was read before it stays in use`)
      return { renewed: 0, refused: 1, same: 0 }
    }
    const { ca, cert, key } = read.value
    const before = this.#tls
    if (ca === before.ca && cert === before.cert && key === before.key)
      return { renewed: 0, refused: 0, same: 1 }
    this.#tls = { ...before, ca, cert, key }
    log("upstream.tls: renewed, for connections that are made from now on")
    onChange(this.#tls)
    return { renewed: 1, refused: 0, same: 0 }
  }

  close(): void {
    this.#follower.close()
  }
}
