/**
 * Many WebSockets at once that echo: everything comes back in order, and whichever side closes, both ends hear of it.
 */
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { type Rng, seeded } from "../../src/core/rng.ts"
import { Bed, type Finding, pause } from "./bed.ts"
import { acceptOf, binary, close, type Frame, FrameReader, frameOf } from "./websocket.ts"

export interface TunnelsSize {
  readonly tunnels: number
  /** Of each tunnel. */
  readonly messages: number
}

const messageBytesMax = 70_000
/** How long the other side's close may take. */
const closeMs = 30_000

export async function tunnels({ tunnels, messages }: TunnelsSize, seed: number): Promise<Finding[]> {
  const bed = await Bed.open({ workers: 2, backends: 2, seed, limits: { connectionsMax: 65_536 } })
  const all: Tunnel[] = []
  try {
    for (let i = 0; i < tunnels; i++) all.push(new Tunnel(bed.port, seeded(seed + i)))
    const opened = await Promise.all(all.map((tunnel) => tunnel.opened))
    const refused = opened.filter((status) => status !== 101)
    if (refused.length > 0) {
      return [{ text: `${refused.length} of ${tunnels} Upgrades refused: ${refused[0]}`, holds: false }]
    }
    const { inFlight } = (await bed.state()).totals
    const wrongs = await Promise.all(
      all.map((tunnel, i) => tunnel.run(messages, i % 2 === 0 ? "client" : "backend")),
    )
    const wrong = wrongs.filter((text) => text !== "")
    const bytes = all.reduce((sum, tunnel) => sum + tunnel.echoed, 0)
    return [
      { text: `${inFlight} tunnels in flight at once`, holds: inFlight === tunnels },
      {
        text: `${tunnels * messages} messages, ${bytes} bytes: ${wrong.length} tunnels wrong ${wrong[0] ?? ""}`,
        holds: wrong.length === 0,
      },
      await bed.settled(),
    ]
  } finally {
    for (const { socket } of all) socket.destroy()
    bed.close()
  }
}

class Tunnel {
  readonly socket: Socket
  /** The status of the response to the Upgrade; 0 when there was none. */
  readonly opened: Promise<number>
  echoed = 0
  readonly #rng: Rng
  readonly #reader = new FrameReader()
  readonly #sent: Buffer[] = []
  readonly #ended: Promise<void>
  #head = ""
  #wrong = ""
  #closed = false
  #onFrame: (() => void) | undefined

  constructor(port: number, rng: Rng) {
    this.#rng = rng
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true })
    const key = randomBytes(16).toString("base64")
    this.socket.write(
      "GET /echo HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    this.opened = new Promise((resolve) => {
      this.socket.on("data", (bytes: Buffer) => this.#read(bytes, acceptOf(key), resolve))
      this.socket.on("close", () => resolve(0))
    })
    this.#ended = new Promise((resolve) => {
      this.socket.on("end", resolve).on("close", () => resolve())
    })
    this.socket.on("error", (error) => (this.#wrong ||= error.message))
  }

  /** Sends so many messages and waits for their echoes, then closes or has it closed; returns what was wrong. */
  async run(messages: number, closer: "client" | "backend"): Promise<string> {
    for (let i = 0; i < messages; i++) {
      this.#send(randomBytes(this.#rng.below(this.#rng.below(10) === 0 ? messageBytesMax : 300) + 1))
      if (this.#rng.below(3) === 0) await pause(this.#rng.below(20))
      // A few may be on their way at a time.
      while (this.#sent.length > 4 && !this.socket.destroyed) await this.#echo()
    }
    while (this.#sent.length > 0 && !this.socket.destroyed && this.#wrong === "") await this.#echo()
    this.#write(closer === "client" ? close : binary, Buffer.from(closer === "client" ? "" : "bye"))
    if (closer === "client") this.socket.end()
    const late = setTimeout(() => this.socket.destroy(), closeMs)
    await this.#ended
    clearTimeout(late)
    if (closer === "backend") this.socket.end()
    if (this.#wrong !== "") return this.#wrong
    if (this.#sent.length > 0) return `${this.#sent.length} messages were not echoed`
    return this.#closed && this.socket.readableEnded ? "" : "the other side's close did not arrive"
  }

  #send(payload: Buffer): void {
    this.#sent.push(payload)
    this.#write(binary, payload)
  }

  #write(kind: number, payload: Buffer): void {
    this.socket.write(frameOf(kind, payload, randomBytes(4)))
  }

  /** The next frame, or the end. */
  #echo(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFrame = resolve
      void this.#ended.then(resolve)
    })
  }

  #read(bytes: Buffer, accept: string, opened: (status: number) => void): void {
    if (this.#head.endsWith("\r\n\r\n")) return this.#readFrames(bytes)
    const text = this.#head + bytes.toString("latin1")
    const end = text.indexOf("\r\n\r\n")
    if (end === -1) {
      this.#head = text
      return
    }
    this.#head = text.slice(0, end + 4)
    if (!this.#head.includes(`Sec-WebSocket-Accept: ${accept}\r\n`)) this.#wrong = "another's accept"
    opened(Number(this.#head.slice(9, 12)))
    this.#readFrames(Buffer.from(text.slice(end + 4), "latin1"))
  }

  #readFrames(bytes: Buffer): void {
    for (const frame of this.#reader.read(bytes)) this.#onEcho(frame)
    const onFrame = this.#onFrame
    this.#onFrame = undefined
    onFrame?.()
  }

  #onEcho({ kind, payload }: Frame): void {
    if (kind === close) {
      this.#closed = true
      return
    }
    const sent = this.#sent.shift()
    this.echoed += payload.length
    if (sent === undefined || !sent.equals(payload)) this.#wrong ||= "an echo is not what was sent"
  }
}
