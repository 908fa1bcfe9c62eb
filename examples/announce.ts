// A backend that announces itself. Try it: npm start, then
//   node --conditions=linebacker-source examples/announce.ts
import { createServer } from "node:http"
import { announce } from "linebacker/announce"

const port = Number(process.env["PORT"] ?? 8080)
const balancer = process.env["LINEBACKER"] ?? "http://127.0.0.1:9797"

const server = createServer((_request, response) => response.end("hello from TypeScript\n"))
server.listen(port, "127.0.0.1", () => {
  const membership = announce({
    balancer,
    id: `example-${port}`,
    port,
    capacity: { compute: 20, storage: 13 },
  })
  process.once("SIGTERM", () => void membership.leave().then(() => server.close()))
})
