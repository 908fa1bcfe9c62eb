import type { Millis } from "../../core/clock.ts"
import type { TlsMaterial, TlsOptions } from "../../proxy/options.ts"
import { CertificateStore, type CertificateStoreOptions, type CertificatesRead } from "./certificate-store.ts"
import type { TlsConfig } from "../../config/config.ts"
import { TicketKeys, type TicketKeysOptions } from "./ticket-keys.ts"

/** The longest that a session can be resumed; RFC 5077 5.6 leaves it to policy, OpenSSL would take the same. */
const sessionMsMax: Millis = 2 * 3_600_000

export interface TlsKeeperParts
  extends
    Pick<CertificateStoreOptions, "readFile" | "stamp" | "timers" | "wallClock" | "log">,
    Pick<TicketKeysOptions, "newKey"> {
  readonly onChange: (material: TlsMaterial) => void
}

/** What the control plane keeps for the TLS listeners of all threads: certificates and ticket keys. */
export class TlsKeeper {
  readonly #config: TlsConfig
  readonly #sessionMs: Millis
  readonly #certificates: CertificateStore
  readonly #ticketKeys: TicketKeys
  #material: TlsMaterial

  /** Throws, with one line that says which file, when a certificate cannot be served. */
  constructor(config: TlsConfig, parts: TlsKeeperParts) {
    this.#config = config
    this.#sessionMs = Math.min(sessionMsMax, config.ticketRotationMs)
    const change = (): void => {
      this.#material = this.#gathered()
      parts.onChange(this.#material)
    }
    const certificates = CertificateStore.open({ ...parts, files: config.certificates, onChange: change })
    if (!certificates.ok) throw new Error(certificates.error)
    this.#certificates = certificates.value
    this.#ticketKeys = new TicketKeys({
      ...parts,
      rotationMs: config.ticketRotationMs,
      sessionMs: this.#sessionMs,
      onChange: change,
    })
    this.#material = this.#gathered()
  }

  /** What a data plane is told at its start. */
  get options(): TlsOptions {
    const sessionSeconds = Math.ceil(this.#sessionMs / 1_000)
    return { ...this.#config, sessionSeconds, material: this.#material }
  }

  /** Reads the certificate files again. */
  reload(): CertificatesRead {
    return this.#certificates.reload()
  }

  close(): void {
    this.#certificates.close()
    this.#ticketKeys.close()
  }

  #gathered(): TlsMaterial {
    return { certificates: this.#certificates.certificates, ticketKeys: this.#ticketKeys.keys }
  }
}
