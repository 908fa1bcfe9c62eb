/**
 * The backend of the soaks, a process of its own: `backend.ts SEED`. Says its port, and responds by path.
 *
 *     /small                  two bytes
 *     /down/FRAMING/BYTES     a body made on the way
 *     /up                     how much came, and its checksum
 *     /echo                   a WebSocket that says everything back
 *     /mad                    anything, by chance
 */
import { type AddressInfo, createServer, type Socket } from "node:net"
import { type Rng, seeded } from "../../src/core/rng.ts"
import { BodyTaker, type Framing, framingField, sendBody } from "./body.ts"
import { acceptOf, binary, close, FrameReader, frameOf } from "./websocket.ts"

const rng: Rng = seeded(Number(process.argv[2]))

class Connection {
  readonly #socket: Socket
  #head = ""
  #taker: BodyTaker | undefined
  #frames: FrameReader | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on("data", (bytes: Buffer) => this.#read(bytes))
    socket.on("end", () => socket.end())
    socket.on("error", () => {})
  }

  #read(bytes: Buffer): void {
    if (this.#frames !== undefined) return this.#echo(bytes)
    if (this.#taker !== undefined) return this.#take(bytes)
    this.#head += bytes.toString("latin1")
    const end = this.#head.indexOf("\r\n\r\n")
    if (end === -1) return
    const head = this.#head.slice(0, end + 2)
    const rest = Buffer.from(this.#head.slice(end + 4), "latin1")
    this.#head = ""
    this.#answer(head, rest)
  }

  #answer(head: string, rest: Buffer): void {
    const [, first = "", ...more] = head.slice(0, head.indexOf(" HTTP/")).split("/")
    const length = /^content-length: (\d+)/im.exec(head)?.[1]
    const isChunked = /^transfer-encoding: chunked/im.test(head)
    switch (first) {
      case "down":
        void this.#send(more[0] as Framing, Number(more[1]))
        break
      case "up":
        this.#taker = new BodyTaker(isChunked ? "chunked" : "length", Number(length))
        this.#take(rest)
        break
      case "echo":
        this.#upgrade(/^sec-websocket-key: (\S+)/im.exec(head)?.[1] ?? "", rest)
        break
      case "mad":
        this.#rave()
        break
      default:
        this.#say("ok")
    }
  }

  #say(body: string): void {
    this.#socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  }

  async #send(framing: Framing, bytes: number): Promise<void> {
    this.#socket.write(`HTTP/1.1 200 OK\r\n${framingField(framing, bytes)}\r\n`)
    await sendBody(this.#socket, framing, bytes)
    if (framing === "close") this.#socket.end()
  }

  #take(bytes: Buffer): void {
    const taker = this.#taker!
    taker.take(bytes)
    if (!taker.isComplete) return
    this.#taker = undefined
    this.#say(JSON.stringify({ bytes: taker.bytes, sum: taker.sum }))
  }

  #upgrade(key: string, rest: Buffer): void {
    this.#frames = new FrameReader()
    this.#socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    )
    if (rest.length > 0) this.#echo(rest)
  }

  /** Says everything back; "bye" makes it the one that closes first. */
  #echo(bytes: Buffer): void {
    for (const { kind, payload } of this.#frames!.read(bytes)) {
      const closes = kind === close || payload.equals(Buffer.from("bye"))
      this.#socket.write(frameOf(closes ? close : binary, payload))
      if (closes) this.#socket.end()
    }
  }

  #rave(): void {
    const socket = this.#socket
    switch (rng.below(12)) {
      case 0:
        socket.resetAndDestroy()
        break
      case 1:
        socket.end()
        break
      case 2:
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        break
      case 3:
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        socket.destroySoon()
        break
      case 4:
        socket.write(Buffer.from(Array.from({ length: rng.below(300) }, () => rng.below(256))))
        break
      case 5:
        socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end")
        break
      case 6:
        socket.write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
        break
      case 7:
        break
      default:
        void this.#send(rng.below(2) === 0 ? "length" : "chunked", rng.below(500_000))
    }
  }
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => new Connection(socket))
server.listen({ host: "127.0.0.1", port: 0, backlog: 1_024 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
