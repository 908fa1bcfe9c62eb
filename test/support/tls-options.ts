import type { TlsMaterial, TlsOptions } from "../../src/proxy/options.ts"

/** A TLS listener on a free port of this machine. */
export function tlsOptions(material: TlsMaterial, change: Partial<TlsOptions> = {}): TlsOptions {
  return {
    host: "127.0.0.1",
    port: 0,
    minVersion: "TLSv1.2",
    redirect: false,
    redirectPort: undefined,
    sessionSeconds: 300,
    material,
    ...change,
  }
}
