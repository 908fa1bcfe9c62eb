/** nginx, as a peer and as the backends. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Program, versionOf } from "../measuring/processes.ts"
import { clientIdleSeconds, connectionsMax, idlePerBackend, type Peer, type Site } from "./peer.ts"

export const nginx: Peer = {
  name: "nginx",
  install: "apt-get install nginx",
  tls: true,
  version: () => versionOf("nginx", ["-v"], /nginx\/(\S+)/),
  program: (site) =>
    nginxProgram("nginx", site.folder, site.cores, [site.port, site.tlsPort], peerText(site)),
}

/** A program that runs nginx in the foreground with one worker. `http` is the inside of its http block. */
export function nginxProgram(
  name: string,
  folder: string,
  cores: string,
  ports: readonly number[],
  http: string,
): Program {
  const config = join(folder, "nginx.conf")
  const log = join(folder, "nginx.log")
  writeFileSync(config, mainText(folder, http))
  return { name, cores, command: "nginx", args: ["-p", folder, "-c", config, "-e", log], log, ports }
}

function mainText(folder: string, http: string): string {
  // The worker must be able to read a folder that is this user's.
  const user = process.getuid?.() === 0 ? "user root;" : ""
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  return `${user}
daemon off;
worker_processes 1;
worker_rlimit_nofile ${connectionsMax};
pid ${join(folder, "nginx.pid")};
events { worker_connections ${connectionsMax}; }
http {
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout ${clientIdleSeconds};
  keepalive_requests 1000000000;
  ${temporary.map((what) => `${what}_temp_path ${join(folder, what)};`).join("\n  ")}
  ${http}
}
`
}

function peerText({ port, tlsPort, backends, certificate }: Site): string {
  return `
  upstream backends {
    least_conn;
    ${backends.map((backend) => `server 127.0.0.1:${backend};`).join("\n    ")}
    keepalive ${idlePerBackend};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${tlsPort} ssl backlog=4096;
    ssl_certificate ${certificate.certificate};
    ssl_certificate_key ${certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header Via "1.1 nginx";
    proxy_set_header X-Request-Id $request_id;
    # Nothing goes to disk; bodies are passed on as they come, as the others do.
    proxy_max_temp_file_size 0;
    proxy_request_buffering off;
    proxy_buffers 16 16k;
    location / { proxy_pass http://backends; }
  }
`
}
