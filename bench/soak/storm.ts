/** Clients and backends that do anything, by chance, before threads of the real program: what is left afterwards. */
import { connect, type Socket } from "node:net"
import { type Rng, seeded } from "../../src/core/rng.ts"
import { Bed, type Finding, holds, pause } from "./bed.ts"
import { Client } from "./client.ts"

export interface StormSize {
  readonly ms: number
  /** Clients at one time. */
  readonly clients: number
}

const paths = [
  "/small",
  "/mad",
  "/mad",
  "/mad",
  "/down/length/300000",
  "/down/close/2000",
  "/down/chunked/90000",
]

/** The wildest deeds first; every entry is what one client does with its connection. */
const deeds: readonly ((socket: Socket, rng: Rng) => void)[] = [
  (socket, rng) => void socket.write(`GET ${pathBy(rng)} HTTP/1.1\r\nHo`),
  (socket, rng) =>
    void socket.write(Buffer.from(Array.from({ length: rng.below(400) }, () => rng.below(256)))),
  (socket, rng) => void socket.write(requestBy(rng).repeat(1 + rng.below(5))),
  (socket, rng) => void socket.end(requestBy(rng)),
  (socket, rng) => {
    socket.write("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    socket.write(Buffer.alloc(rng.below(2) === 0 ? 200_000 : 100_000))
  },
  (socket, rng) => {
    socket.write("PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    socket.write(rng.below(2) === 0 ? "0\r\n\r\n" : "zz\r\n")
  },
  (socket, rng) => void socket.write(requestBy(rng).replace("HTTP/1.1", "HTTP/1.0")),
  (socket, rng) => {
    socket.write(requestBy(rng))
    socket.pause()
  },
  (socket) =>
    void socket.write(
      "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ),
  (socket, rng) => void socket.write(requestBy(rng)),
  (socket, rng) => void socket.write(requestBy(rng)),
]

export async function storm({ ms, clients }: StormSize, seed: number): Promise<Finding[]> {
  const short = "400ms"
  const bed = await Bed.open({
    workers: 2,
    backends: 3,
    seed,
    timeouts: {
      clientHead: short,
      clientIdle: short,
      clientBody: short,
      responseHead: short,
      betweenBytes: short,
      queue: short,
    },
  })
  try {
    const rng = seeded(seed)
    const end = performance.now() + ms
    const sockets = new Set<Socket>()
    let lives = 0
    const live = async (): Promise<void> => {
      while (performance.now() < end) {
        lives++
        await lifeOf(bed.port, rng, sockets)
      }
    }
    await Promise.all(Array.from({ length: clients }, live))
    // A client that reads nothing may never have heard of its end.
    for (const socket of sockets) socket.destroy()
    const left = async (): Promise<number> => (await bed.state()).totals.connections
    await holds("no connection is left", async () => (await left()) === 0).catch(() => {})
    const calm = new Client(bed.port)
    const answer = await calm.get("/small").catch(() => undefined)
    calm.socket.destroy()
    const { requests, errors } = (await bed.state()).totals
    const counted = Object.entries(errors).map((one) => one.join(" "))
    return [
      {
        text: `${lives} clients, ${requests} requests with a response; ${counted.join(", ")}`,
        holds: requests > lives / 10,
      },
      { text: `after the storm ${answer?.status ?? "no response"}`, holds: answer?.text === "ok" },
      { text: `${await left()} connections are left`, holds: (await left()) === 0 },
      await bed.settled(),
    ]
  } finally {
    bed.close()
  }
}

function pathBy(rng: Rng): string {
  return paths[rng.below(paths.length)]!
}

function requestBy(rng: Rng): string {
  return `GET ${pathBy(rng)} HTTP/1.1\r\nHost: a\r\n\r\n`
}

/** One connection from its first byte to its end, which is never long in coming. */
async function lifeOf(port: number, rng: Rng, sockets: Set<Socket>): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: rng.below(2) === 0 })
  sockets.add(socket)
  socket.on("error", () => {}).on("close", () => sockets.delete(socket))
  socket.resume()
  for (let i = rng.below(4); i >= 0 && !socket.destroyed && !socket.writableEnded; i--) {
    deeds[rng.below(deeds.length)]!(socket, rng)
    await pause(rng.below(40))
  }
  // A reset while an end is under way fails, and Node.js then never closes the socket.
  if (rng.below(3) === 0 && !socket.writableEnded) socket.resetAndDestroy()
  else if (rng.below(2) === 0) socket.destroySoon()
  else {
    socket.end()
    await pause(rng.below(100))
    socket.destroy()
  }
}
