/** A client in raw bytes: just enough of HTTP to know where responses end. */
import { connect, type Socket } from "node:net"
import { BodyTaker } from "./body.ts"

export interface Answer {
  readonly status: number
  readonly body: BodyTaker
  /** The first bytes of the body. */
  readonly text: string
}

/** How much of a body is kept to be looked at. */
const keptMax = 1_000

export class Client {
  readonly socket: Socket
  /** How long it sleeps after each read, ms. */
  slowness = 0
  #head = ""
  #body: BodyTaker | undefined
  #text = ""
  #status = 0
  #resolve: ((answer: Answer) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor(port: number, from = "127.0.0.1") {
    this.socket = connect({ host: "127.0.0.1", port, localAddress: from, noDelay: true })
    this.socket.on("data", (bytes: Buffer) => this.#read(bytes))
    this.socket.on("end", () => {
      this.#body?.end()
      this.#settle()
    })
    this.socket.on("error", (error) => this.#reject?.(error))
    this.socket.on("close", () => this.#reject?.(new Error("closed before the response was complete")))
  }

  /** The response to what has been sent; rejects when it is cut. One at a time. */
  answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get(path: string): Promise<Answer> {
    const answer = this.answer()
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: soak\r\n\r\n`)
    return answer
  }

  #read(bytes: Buffer): void {
    if (this.#body === undefined) {
      this.#head += bytes.toString("latin1")
      const end = this.#head.indexOf("\r\n\r\n")
      if (end === -1) return
      const rest = Buffer.from(this.#head.slice(end + 4), "latin1")
      this.#begin(this.#head.slice(0, end + 2))
      this.#take(rest)
    } else this.#take(bytes)
  }

  #begin(head: string): void {
    this.#head = ""
    this.#text = ""
    this.#status = Number(head.slice(9, 12))
    const length = /^content-length: (\d+)/im.exec(head)?.[1]
    const isChunked = /^transfer-encoding: chunked/im.test(head)
    const isEmpty = this.#status === 204 || this.#status < 200
    this.#body = new BodyTaker(
      isChunked ? "chunked" : length !== undefined || isEmpty ? "length" : "close",
      Number(length ?? 0),
    )
  }

  #take(bytes: Buffer): void {
    if (this.#text.length < keptMax) this.#text += bytes.toString("latin1", 0, keptMax)
    this.#body!.take(bytes)
    this.#settle()
    if (this.slowness === 0 || bytes.length === 0) return
    this.socket.pause()
    setTimeout(() => this.socket.resume(), this.slowness)
  }

  #settle(): void {
    const body = this.#body
    if (body === undefined || !body.isComplete) return
    this.#body = undefined
    // An interim response is not the final one.
    if (this.#status < 200) return
    const resolve = this.#resolve
    this.#resolve = undefined
    this.#reject = undefined
    resolve?.({ status: this.#status, body, text: this.#text })
  }
}
