/** All peers that are compared, started and checked: the field of one run. */
import { mkdtempSync } from "node:fs"
import { join } from "node:path"
import { checkRelay } from "./check-relay.ts"
import type { BenchOptions } from "./options.ts"
import { caddy } from "../peers/caddy.ts"
import { haproxy } from "../peers/haproxy.ts"
import { linebacker } from "../peers/linebacker.ts"
import { nginx } from "../peers/nginx.ts"
import { httpProxy, undici } from "../peers/node-peers.ts"
import type { Certificate, Peer } from "../peers/peer.ts"
import { type Running, start } from "./processes.ts"
import { freePorts } from "../../test/support/free-ports.ts"

export interface Contestant {
  readonly peer: Peer
  readonly version: string
  readonly running: Running
  readonly port: number
  readonly tlsPort: number
  readonly stop: () => Promise<void>
}

const peers: readonly Peer[] = [
  nginx,
  haproxy,
  caddy,
  httpProxy,
  undici,
  linebacker(),
  linebacker("pipelining", undefined, 16),
]

/** The peer of this name; `linebacker@FOLDER` is another checkout. Throws when there is none. */
export function peerOf(name: string): Peer {
  const checkout = /^linebacker@(.+)$/.exec(name)?.[1]
  if (checkout !== undefined) return linebacker(name, checkout)
  const peer = peers.find((candidate) => candidate.name === name)
  if (peer !== undefined) return peer
  throw new TypeError(`there is no peer "${name}"; there are ${peers.map((known) => known.name).join(", ")}`)
}

export interface Ground {
  readonly folder: string
  readonly backends: readonly number[]
  readonly certificate: Certificate
}

/** Starts a peer, or returns undefined when it is not installed. Rejects when it does not do what all must do. */
export async function enter(
  peer: Peer,
  ground: Ground,
  options: BenchOptions,
): Promise<Contestant | undefined> {
  const version = peer.version(options.modules)
  if (version === undefined) return undefined
  const [port, tlsPort] = (await freePorts(2)) as [number, number]
  const folder = mkdtempSync(join(ground.folder, `${peer.name.replaceAll(/[^a-z0-9]+/g, "-")}-`))
  const { backends, certificate } = ground
  const { balancerCores: cores, modules } = options
  // Only the one without a folder has them, so that `linebacker,linebacker@.` shows what they change.
  const nodeFlags = peer.name === "linebacker" ? options.nodeFlags : []
  const site = { folder, cores, port, tlsPort, backends, certificate, modules, nodeFlags }
  const running = await start(await peer.program(site))
  const leave = await peer.afterStart?.(site)
  const stop = async (): Promise<void> => {
    await leave?.()
    await running.stop()
  }
  try {
    await checkRelay(peer.name, "http", port, backends)
    if (peer.tls) await checkRelay(peer.name, "https", tlsPort, backends)
  } catch (error) {
    await stop()
    throw error
  }
  return { peer, version, running, port, tlsPort, stop }
}
