import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { versionOf } from "../measuring/processes.ts"
import { clientIdleSeconds, connectionsMax, type Peer, type Site } from "./peer.ts"

export const haproxy: Peer = {
  name: "haproxy",
  install: "apt-get install haproxy",
  tls: true,
  version: () => versionOf("haproxy", ["-v"], /version (\S+)/),
  program(site) {
    const config = join(site.folder, "haproxy.cfg")
    writeFileSync(config, configText(site))
    return {
      name: "haproxy",
      cores: site.cores,
      command: "haproxy",
      args: ["-db", "-f", config],
      log: join(site.folder, "haproxy.log"),
      ports: [site.port, site.tlsPort],
    }
  },
}

function configText({ port, tlsPort, backends, certificate }: Site): string {
  const servers = backends.map((backend, index) => `  server b${index} 127.0.0.1:${backend} check inter 5s`)
  return `
global
  nbthread 1
  # It asks for two descriptors per connection, and ends when it does not get them.
  no strict-limits
  maxconn ${connectionsMax}
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  option http-keep-alive
  option forwardfor
  unique-id-format %{+X}o%Ts-%rt-%pid
  unique-id-header X-Request-Id
  http-reuse always
  timeout connect 3s
  timeout client ${clientIdleSeconds}s
  timeout server 60s
  timeout http-keep-alive ${clientIdleSeconds}s

frontend clients
  bind 127.0.0.1:${port} backlog 4096
  bind 127.0.0.1:${tlsPort} ssl crt ${certificate.both} alpn http/1.1 backlog 4096
  http-request set-header X-Forwarded-Proto http unless { ssl_fc }
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request add-header Via "1.1 haproxy"
  default_backend backends

backend backends
  balance leastconn
${servers.join("\n")}
`
}
