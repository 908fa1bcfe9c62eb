import { watch } from "node:fs"
import { dirname } from "node:path"
import type { Millis } from "../core/clock.ts"
import { fail, ok, type Result } from "../core/result.ts"
import type { TlsCertificate } from "../proxy/options.ts"
import type { Timers } from "../system.ts"
import { type ReadCertificate, readCertificate } from "./certificates.ts"
import type { CertificateFiles } from "./config.ts"

/** A renewal writes several files: they are read once it has been quiet for this long. */
export const settleMs: Millis = 500
/** A certificate that ends sooner is worth a line in the log. */
const warnMs = 14 * 24 * 3_600_000

/** Calls `onEvent` when something changes in the folder, until the answer is called. Throws when it cannot. */
export type WatchFolder = (folder: string, onEvent: () => void, onLost: (why: string) => void) => () => void

export interface CertificateStoreOptions {
  readonly files: readonly CertificateFiles[]
  readonly readFile: (path: string) => Result<string, string>
  readonly watchFolder: WatchFolder
  readonly timers: Timers
  readonly wallClock: () => number
  /** One line for a person. */
  readonly log: (line: string) => void
  readonly onChange: (certificates: readonly TlsCertificate[]) => void
}

/**
 * The certificates that are served, read again when their folders change. One that cannot be used keeps the one
 * before in its place: a renewal that went wrong costs nobody a connection.
 */
export class CertificateStore {
  readonly #options: CertificateStoreOptions
  #certificates: readonly ReadCertificate[]
  #unwatch: (() => void)[] = []
  #cancel: (() => void) | undefined

  private constructor(options: CertificateStoreOptions, certificates: readonly ReadCertificate[]) {
    this.#options = options
    this.#certificates = certificates
    for (const [index, certificate] of certificates.entries()) this.#warn(index, certificate)
    this.#watch()
  }

  /** Reads all certificates; fails with the first thing that is wrong, as one line. */
  static open(options: CertificateStoreOptions): Result<CertificateStore, string> {
    const certificates: ReadCertificate[] = []
    for (const [index, files] of options.files.entries()) {
      const certificate = readCertificate(files, options.readFile)
      if (!certificate.ok) return fail(faultLine(index, certificate.error[0]!))
      certificates.push(certificate.value)
    }
    return ok(new CertificateStore(options, certificates))
  }

  get certificates(): readonly TlsCertificate[] {
    return this.#certificates.map(({ cert, key, names }) => ({ cert, key, names }))
  }

  /** Reads all files again, and takes what is new and right. */
  reload(): void {
    // A folder that was put in another's place is not the one that is watched.
    this.#close()
    this.#watch()
    let changed = false
    this.#certificates = this.#certificates.map((before, index) => {
      const certificate = this.#readAgain(index, before)
      if (certificate !== before) changed = true
      return certificate
    })
    if (changed) this.#options.onChange(this.certificates)
  }

  close(): void {
    this.#close()
  }

  #readAgain(index: number, before: ReadCertificate): ReadCertificate {
    const { files, readFile, log } = this.#options
    const read = readCertificate(files[index]!, readFile)
    if (!read.ok) {
      for (const fault of read.error) {
        log(`${faultLine(index, fault)}; the certificate before it stays in use`)
      }
      return before
    }
    const { cert, key, names, validTo } = read.value
    if (cert === before.cert && key === before.key) return before
    log(`${nameOf(index)}: renewed, for ${names.join(", ")}, valid until ${validTo.toISOString()}`)
    this.#warn(index, read.value)
    return read.value
  }

  #warn(index: number, { validFrom, validTo }: ReadCertificate): void {
    const { log, wallClock } = this.#options
    const now = wallClock()
    if (validFrom.getTime() > now) log(`${nameOf(index)}: not valid before ${validFrom.toISOString()}`)
    if (validTo.getTime() < now) log(`${nameOf(index)}: has been invalid since ${validTo.toISOString()}`)
    else if (validTo.getTime() < now + warnMs) log(`${nameOf(index)}: ends on ${validTo.toISOString()}`)
  }

  #watch(): void {
    const { files, watchFolder, log } = this.#options
    for (const folder of new Set(files.flatMap(({ cert, key }) => [dirname(cert), dirname(key)]))) {
      const onLost = (why: string): void =>
        log(`changes in "${folder}" are not seen (${why}): send SIGHUP after a renewal`)
      try {
        this.#unwatch.push(watchFolder(folder, () => this.#onEvent(), onLost))
      } catch (error) {
        onLost((error as NodeJS.ErrnoException).code ?? String(error))
      }
    }
  }

  #onEvent(): void {
    this.#cancel?.()
    this.#cancel = this.#options.timers.set(settleMs, () => this.reload(), { unref: true })
  }

  #close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const unwatch of this.#unwatch) unwatch()
    this.#unwatch = []
  }
}

/** Watches with the system's own means. Renewals replace files, so the folder is what has to be watched. */
export const watchFolder: WatchFolder = (folder, onEvent, onLost) => {
  const watcher = watch(folder, { persistent: false }, onEvent)
  watcher.on("error", (error) => onLost(error.message))
  return () => watcher.close()
}

function nameOf(index: number): string {
  return `tls.certificates[${index}]`
}

function faultLine(index: number, { setting, message }: { setting: string; message: string }): string {
  return `${nameOf(index)}.${setting}: ${message}`
}
