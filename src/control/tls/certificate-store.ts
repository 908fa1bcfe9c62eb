import { fail, ok, type Result } from "../../core/result.ts"
import type { TlsCertificate } from "../../config/certificates.ts"
import type { Timers } from "../../system.ts"
import { type ReadCertificate, readCertificate } from "../../config/certificates.ts"
import type { CertificateFiles } from "../../config/config.ts"
import { FileFollower, type FollowedFiles } from "../file-follower.ts"

/** A certificate that ends sooner is worth a line in the log. */
const warnMs = 14 * 24 * 3_600_000

export interface CertificateStoreOptions {
  readonly files: readonly CertificateFiles[]
  readonly readFile: (path: string) => Result<string, string>
  readonly stamp: FollowedFiles["stamp"]
  readonly timers: Timers
  readonly wallClock: () => number
  /** One line for a person. */
  readonly log: (line: string) => void
  readonly onChange: (certificates: readonly TlsCertificate[]) => void
}

/** How many certificates came out how when their files were read again. */
export interface CertificatesRead {
  readonly renewed: number
  /** Cannot be used: the one before is served on. */
  readonly refused: number
  readonly same: number
}

/** What came of several readings. */
export function inAll(reads: readonly CertificatesRead[]): CertificatesRead {
  const sum = { renewed: 0, refused: 0, same: 0 }
  for (const { refused, renewed, same } of reads) {
    sum.renewed += renewed
    sum.refused += refused
    sum.same += same
  }
  return sum
}

/**
 * The certificates that are served, read again when their files change. One that cannot be used keeps the one
 * before in its place: a renewal that went wrong costs no connection.
 */
export class CertificateStore {
  readonly #options: CertificateStoreOptions
  #certificates: readonly ReadCertificate[]
  readonly #follower: FileFollower
  /** Which could not be used when they were read last. */
  readonly #wrong = new Set<number>()

  private constructor(
    options: CertificateStoreOptions,
    certificates: readonly ReadCertificate[],
    follower: FileFollower,
  ) {
    this.#options = options
    this.#certificates = certificates
    this.#follower = follower
    for (const [index, certificate] of certificates.entries()) this.#warn(index, certificate)
    follower.start(() => this.reload())
  }

  /** Reads all certificates; fails with the first thing that is wrong, as one line. */
  static open(options: CertificateStoreOptions): Result<CertificateStore, string> {
    const paths = new Set(options.files.flatMap(({ cert, key }) => [cert, key]))
    const follower = new FileFollower({ ...options, paths: [...paths] })
    const certificates: ReadCertificate[] = []
    for (const [index, files] of options.files.entries()) {
      const certificate = readCertificate(files, options.readFile)
      if (!certificate.ok) return fail(faultLine(index, certificate.error[0]!))
      certificates.push(certificate.value)
    }
    return ok(new CertificateStore(options, certificates, follower))
  }

  get certificates(): readonly TlsCertificate[] {
    return this.#certificates.map(({ cert, key, names }) => ({ cert, key, names }))
  }

  /** Reads all files again, and takes what is new and right. */
  reload(): CertificatesRead {
    const count = { renewed: 0, refused: 0, same: 0 }
    this.#certificates = this.#certificates.map((before, index) => {
      const certificate = this.#readAgain(index, before)
      if (certificate === undefined) count.refused++
      else if (certificate === before) count.same++
      else count.renewed++
      return certificate ?? before
    })
    if (count.renewed > 0) this.#options.onChange(this.certificates)
    return count
  }

  close(): void {
    this.#follower.close()
  }

  /** The certificate in its place now, `before` when it is the same; undefined when it cannot be used. */
  #readAgain(index: number, before: ReadCertificate): ReadCertificate | undefined {
    const { files, readFile, log } = this.#options
    const read = readCertificate(files[index]!, readFile)
    if (!read.ok) {
      for (const fault of read.error) {
        log(`${faultLine(index, fault)}; the certificate before it stays in use`)
      }
      this.#wrong.add(index)
      return undefined
    }
    const wasWrong = this.#wrong.delete(index)
    const { cert, key, names, validTo } = read.value
    if (cert === before.cert && key === before.key) {
      if (wasWrong) log(`${nameOf(index)}: its files are valid again`)
      return before
    }
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
}

function nameOf(index: number): string {
  return `tls.certificates[${index}]`
}

function faultLine(index: number, { setting, message }: { setting: string; message: string }): string {
  return `${nameOf(index)}.${setting}: ${message}`
}
