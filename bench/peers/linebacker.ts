import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { announce } from "../../src/announce/announce.ts"
import { clientIdleSeconds, connectionsMax, idlePerBackend, type Peer, type Site } from "./peer.ts"
import { freePorts } from "../../test/support/free-ports.ts"

const ownFolder = resolve(import.meta.dirname, "../..")
const memberMsMax = 10_000

/** This checkout, or another one to compare it with. */
export function linebacker(name = "linebacker", folder = ownFolder, pipelinedMax = 1): Peer {
  const checkout = resolve(folder)
  /** Where backends announce themselves, once it is known. */
  let registrationPort = 0
  const tls = knowsTls(checkout)
  return {
    name,
    install: `npm ci in ${checkout}`,
    tls,
    version: () => (existsSync(join(checkout, "bin/linebacker")) ? versionOfCheckout(checkout) : undefined),
    async program(site) {
      const [registration, admin] = (await freePorts(2)) as [number, number]
      registrationPort = registration
      const config = join(site.folder, "linebacker.yaml")
      writeFileSync(config, configText(site, registration, admin, tls, pipelinedMax))
      return {
        name,
        cores: site.cores,
        command: process.execPath,
        args: [...site.nodeFlags, join(checkout, "bin/linebacker"), "serve", "-c", config],
        log: join(site.folder, "linebacker.log"),
        ports: [site.port, registration, ...(tls ? [site.tlsPort] : [])],
      }
    },
    async afterStart(site) {
      const members = await Promise.all(site.backends.map((port) => member(registrationPort, port)))
      await allServing(registrationPort, site.backends.length)
      return async () => void (await Promise.all(members.map((leave) => leave())))
    },
  }
}

/** A checkout to compare with may be from before there was TLS on the client side. */
function knowsTls(checkout: string): boolean {
  const schema = join(checkout, "src/config/config-schema.ts")
  return existsSync(schema) && /^ {2}tls,$/m.test(readFileSync(schema, "utf8"))
}

function versionOfCheckout(checkout: string): string {
  const manifest = readFileSync(join(checkout, "package.json"), "utf8")
  return `${(JSON.parse(manifest) as { readonly version: string }).version} on Node ${process.version}`
}

/** One data-plane thread; what is limited here is limited nowhere else, so limits are as wide as the others'. */
function configText(
  site: Site,
  registration: number,
  admin: number,
  tls: boolean,
  pipelinedMax: number,
): string {
  const { port, tlsPort, certificate } = site
  const paths = `{ cert: "${certificate.certificate}", key: "${certificate.key}" }`
  return `
listen: 127.0.0.1:${port}
${tls ? `tls: { listen: "127.0.0.1:${tlsPort}", certificates: [${paths}] }` : ""}
workers: 1
policy: least-connections
registration: { listen: "127.0.0.1:${registration}" }
admin: { listen: "127.0.0.1:${admin}" }
limits:
  connectionsMax: ${connectionsMax}
  idlePerBackendMax: ${idlePerBackend}
  requestsPerConnectionMax: 1000000000
${pipelinedMax > 1 ? `  pipelinedMax: ${pipelinedMax}` : ""}
timeouts: { clientIdle: ${clientIdleSeconds}s }
`
}

/** A member gets no requests before its first check has passed. */
async function allServing(registration: number, count: number): Promise<void> {
  const giveUpAt = performance.now() + memberMsMax
  while (performance.now() < giveUpAt) {
    const response = await fetch(`http://127.0.0.1:${registration}/v1/backends`)
    const { backends } = (await response.json()) as {
      readonly backends: readonly { readonly state: string }[]
    }
    if (backends.filter(({ state }) => state === "serving").length === count) return
    await pause(20)
  }
  throw new Error("the backends were not found serving within 10 s")
}

/** Announces a backend, which goes on renewing its lease from here; the result ends the lease. */
function member(registration: number, port: number): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error("a backend could not be announced within 10 s")),
      memberMsMax,
    )
    const announcement = announce({
      balancer: `http://127.0.0.1:${registration}`,
      id: `backend-${port}`,
      address: `127.0.0.1:${port}`,
      // Room for any number of requests at once: what is measured is relaying, not waiting.
      capacity: { compute: 10_000, storage: 10_000 },
      onState({ state, reason }) {
        if (state === "member") {
          clearTimeout(late)
          resolve(() => announcement.leave())
        } else if (state === "refused") reject(new Error(reason))
      },
    })
  })
}
