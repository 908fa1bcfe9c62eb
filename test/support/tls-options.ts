import type { TestContext } from "node:test"
import { connect } from "node:tls"
import type { TlsMaterial, TlsOptions } from "../../src/proxy/options.ts"
import { Wire } from "./relay.ts"

/** A TLS listener on a free port of this machine. */
export function tlsOptions(material: TlsMaterial, change: Partial<TlsOptions> = {}): TlsOptions {
  return {
    listen: { host: "127.0.0.1", port: 0 },
    minVersion: "TLSv1.2",
    redirect: false,
    redirectPort: undefined,
    ticketRotationMs: 8 * 3_600_000,
    sessionSeconds: 300,
    material,
    ...change,
  }
}

/** A client's connection within TLS, open. The certificates of tests are signed by no authority. */
export async function dialTls(t: TestContext, port: number): Promise<Wire> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false })
  t.after(() => socket.destroy())
  await new Promise((resolve) => socket.once("secureConnect", resolve))
  return new Wire(socket)
}
