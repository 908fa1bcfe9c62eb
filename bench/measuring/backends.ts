/**
 * The backends: one nginx on two ports, which serves a fixed text, files of the page cache, and reads uploads.
 * It runs where the load does, and its CPU time is counted for no peer.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { nginxProgram } from "../peers/nginx.ts"
import { type Running, start } from "./processes.ts"
import { files, smallBody } from "./scenarios.ts"
import { freePorts } from "../../test/support/free-ports.ts"

export interface Backends {
  readonly ports: readonly number[]
  readonly running: Running
}

export async function startBackends(folder: string, cores: string): Promise<Backends> {
  mkdirSync(folder)
  for (const [path, bytes] of Object.entries(files))
    writeFileSync(join(folder, path), Buffer.alloc(bytes, "x"))
  const ports = await freePorts(2)
  const program = nginxProgram("the backends", folder, cores, ports, backendsText(folder, ports))
  return { ports, running: await start(program) }
}

function backendsText(folder: string, ports: readonly number[]): string {
  const read = join(folder, "read.sock")
  return `
  default_type text/plain;
  open_file_cache max=100;
  server {
    ${ports.map((port) => `listen 127.0.0.1:${port} backlog=4096;`).join("\n    ")}
    root ${folder};
    location = /small { return 200 "${smallBody.replace("\n", "\\n")}"; }
    # What came with a request, so that it can be checked that all peers add the same.
    location = /echo {
      return 200 "$server_port|$http_host|$http_x_forwarded_for|$http_x_forwarded_proto|$http_x_forwarded_host|$http_via\\n";
    }
    # A location that only responds would do so before the body has come. This one reads it all into memory,
    # and then asks for the response elsewhere, without the body.
    location = /upload {
      client_max_body_size 2m;
      client_body_buffer_size 2m;
      proxy_pass_request_body off;
      proxy_pass_request_headers off;
      proxy_set_header Content-Length "";
      proxy_pass http://unix:${read}:/small;
    }
  }
  server {
    listen unix:${read};
    location = /small { return 200 "${smallBody.replace("\n", "\\n")}"; }
  }
`
}
