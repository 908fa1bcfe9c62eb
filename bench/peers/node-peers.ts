/** The two usual ways to write a proxy for Node.js: the package http-proxy, and node:http with undici. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Peer } from "./peer.ts"

export const httpProxy: Peer = nodePeer(
  "http-proxy",
  "http-proxy",
  "http-proxy@1.18.1",
  "http-proxy-server.ts",
)
export const undici: Peer = nodePeer("node:http+undici", "undici", "undici", "undici-server.ts")

function nodePeer(name: string, packageName: string, wanted: string, file: string): Peer {
  return {
    name,
    install: `npm install --prefix /tmp/linebacker-peers ${wanted}, then --modules /tmp/linebacker-peers`,
    tls: true,
    version(modules) {
      const manifest = join(modules, "node_modules", packageName, "package.json")
      if (!existsSync(manifest)) return undefined
      const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }
      return `${version} on Node ${process.version}`
    },
    program: ({ backends, certificate, cores, folder, modules, port, tlsPort }) => ({
      name,
      cores,
      command: process.execPath,
      args: [
        join(import.meta.dirname, file),
        JSON.stringify({ port, tlsPort, backends, certificate, modules }),
      ],
      log: join(folder, "node.log"),
      ports: [port, tlsPort],
    }),
  }
}
