/**
 * Run by test/announce-node.test.ts under an old Node.js, beside the announcing client as JavaScript: announces to
 * balancers that do everything wrong, leaves them all, and ends by itself. Prints "survived" and how many there were.
 */
import { createServer } from "node:net"
import { pathToFileURL } from "node:url"

const { announce } = await import(pathToFileURL(process.argv[2]).href)

const lease = (body) => head(200, body.length) + body
const head = (status, length) =>
  `HTTP/1.1 ${status} x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
/** What is written as soon as a connection has sent something. `undefined` closes it, "" leaves it open in silence. */
const answers = {
  garbage: "SSH-2.0-OpenSSH_9.9\r\n\r\n",
  silence: "",
  cut: undefined,
  "cut body": `${head(201, 100)}{"gen`,
  "huge body": head(201, 1e9) + "x".repeat(200_000),
  "endless head": `HTTP/1.1 200 OK\r\nX: ${"x".repeat(200_000)}`,
  redirect: "HTTP/1.1 307 x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
  "redirect to nowhere": "HTTP/1.1 301 x\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
  "no JSON": lease("<h1>It works!</h1>"),
  "JSON null": lease("null"),
  "JSON of another shape": lease('{"generation":"1","renewMs":"soon","ttlMs":{}}'),
  "absurd times": lease('{"generation":1,"renewMs":1e999,"ttlMs":-1}'),
  "no time": lease('{"generation":1,"renewMs":0,"ttlMs":0}'),
  "very short": lease('{"generation":1,"renewMs":1e-9,"ttlMs":1}'),
  "no such coding": `HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope`,
  "bad chunks": "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "protocol change": "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
  "error of another shape": `${head(409, 14)}{"error":null}`,
  deep: lease("[".repeat(50_000)),
}

/** Of the hostile side, which would keep the process alive. */
const sockets = new Set()
const balancers = { "no listener": "http://127.0.0.1:1", "no such name": "http://nowhere.invalid:1" }
const servers = await Promise.all(
  Object.entries(answers).map(async ([name, answer]) => {
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => {}))
      socket.once("data", () => {
        if (answer === undefined || name.startsWith("cut")) socket.end(answer)
        else if (answer !== "") socket.write(answer)
      })
    })
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
    balancers[name] = `http://127.0.0.1:${server.address().port}`
    return server
  }),
)

const heard = []
const announcements = Object.entries(balancers).map(([name, balancer]) => {
  let tell
  // Silence is noticed by the client's own time limit: not waited for.
  heard.push(name === "silence" ? undefined : new Promise((resolve) => (tell = resolve)))
  return announce({ balancer, id: "a", port: 8080, capacity: { compute: 1 }, onState: () => tell?.() })
})
await Promise.all(heard)
await Promise.all(announcements.map((announcement) => announcement.drain()))
await Promise.all(announcements.map((announcement) => announcement.leave()))
for (const server of servers) server.close()
for (const socket of sockets) socket.destroy()
process.stdout.write(`survived ${announcements.length}\n`)
