// A name server for tests, on loopback over UDP (RFC 1035 4, RFC 2782).
import { createSocket, type Socket } from "node:dgram"
import { isIPv4 } from "node:net"
import type { TestContext } from "node:test"

/** Records of one type and name. Addresses, or `priority weight port target`. */
export interface ZoneEntry {
  readonly ttl: number
  readonly records: readonly string[]
}

const types: Readonly<Record<number, string>> = { 1: "A", 28: "AAAA", 33: "SRV" }
const serverFailure = 2
const noSuchName = 3

export class DnsServer {
  /** By `TYPE name`. "failure" is SERVFAIL, "silence" no response; what is not here is NXDOMAIN. */
  readonly zone: Record<string, ZoneEntry | "failure" | "silence"> = {}
  /** What it was asked, in order. */
  readonly asked: string[] = []
  readonly #socket: Socket

  static async start(t: TestContext): Promise<DnsServer> {
    const socket = createSocket("udp4")
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve))
    t.after(() => socket.close())
    return new DnsServer(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on("message", (query, from) => {
      const response = this.#responseTo(query)
      if (response !== undefined) socket.send(response, from.port, from.address)
    })
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  #responseTo(query: Buffer): Buffer | undefined {
    const labels: string[] = []
    let at = 12
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length))
      at += length + 1
    }
    const type = query.readUInt16BE(at + 1)
    // c-ares may write names in mixed case, which the response has to repeat.
    const key = `${types[type]} ${labels.join(".").toLowerCase()}`
    this.asked.push(key)
    const entry = this.zone[key]
    if (entry === "silence") return undefined
    const { records, ttl } = typeof entry === "object" ? entry : { records: [], ttl: 0 }
    const code = entry === undefined ? noSuchName : entry === "failure" ? serverFailure : 0
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2)
    head.writeUInt16BE(0x8580 | code, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(records.length, 6)
    const answers = records.map((record) => answerOf(type, ttl, dataOf(record)))
    return Buffer.concat([head, query.subarray(12, at + 5), ...answers])
  }
}

function answerOf(type: number, ttl: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  // The name of the question.
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function dataOf(record: string): Buffer {
  if (isIPv4(record)) return Buffer.from(record.split(".").map(Number))
  if (!record.includes(" ")) return ipv6Bytes(record)
  const [priority = "", weight = "", port = "", target = ""] = record.split(" ")
  const numbers = Buffer.alloc(6)
  for (const [index, number] of [priority, weight, port].entries())
    numbers.writeUInt16BE(Number(number), index * 2)
  const labels = target.split(".").filter(Boolean)
  const name = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([numbers, ...name, Buffer.from([0])])
}

function ipv6Bytes(address: string): Buffer {
  const [before = "", after = ""] = address.split("::")
  const zeros = Array.from({ length: 8 - groups(before).length - groups(after).length }, () => "0")
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...groups(before), ...zeros, ...groups(after)].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  }
  return bytes
}

function groups(half: string): string[] {
  return half === "" ? [] : half.split(":")
}
