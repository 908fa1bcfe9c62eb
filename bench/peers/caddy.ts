import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { versionOf } from "../measuring/processes.ts"
import { clientIdleSeconds, idlePerBackend, type Peer, type Site } from "./peer.ts"

export const caddy: Peer = {
  name: "caddy",
  install: "apt-get install caddy",
  tls: true,
  version: () => versionOf("caddy", ["version"], /^v?(\d\S*)/m),
  program(site) {
    const config = join(site.folder, "Caddyfile")
    writeFileSync(config, configText(site))
    return {
      name: "caddy",
      cores: site.cores,
      command: "caddy",
      args: ["run", "--config", config, "--adapter", "caddyfile"],
      // Its state stays in the folder.
      environment: { HOME: site.folder, XDG_DATA_HOME: site.folder, XDG_CONFIG_HOME: site.folder },
      log: join(site.folder, "caddy.log"),
      ports: [site.port, site.tlsPort],
    }
  },
}

function configText({ port, tlsPort, backends, certificate }: Site): string {
  const to = backends.map((backend) => `127.0.0.1:${backend}`).join(" ")
  return `{
  admin off
  auto_https off
  servers {
    protocols h1
    timeouts {
      idle ${clientIdleSeconds}s
    }
  }
}
(balanced) {
  reverse_proxy ${to} {
    lb_policy least_conn
    header_up Via "1.1 caddy"
    transport http {
      keepalive_idle_conns ${idlePerBackend * backends.length}
      keepalive_idle_conns_per_host ${idlePerBackend}
    }
  }
}
http://:${port} {
  bind 127.0.0.1
  import balanced
}
https://:${tlsPort} {
  bind 127.0.0.1
  tls ${certificate.certificate} ${certificate.key}
  import balanced
}
`
}
