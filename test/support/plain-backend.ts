/** A backend in a process of its own, to be frozen or killed: says its port, and never responds to `/held`. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const server = createServer((request, response) => {
  if (request.url === "/half") {
    response.writeHead(200, { "Content-Length": "8" })
    response.write("half")
  } else if (request.url !== "/held") response.end("ok")
})
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
