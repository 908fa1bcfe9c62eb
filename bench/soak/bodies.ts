/** Bodies that fit in no memory, in every framing and both directions, and readers that are slower than writers. */
import { Bed, type Finding, mib } from "./bed.ts"
import { type Framing, framingField, framings, sendBody, sumOf } from "./body.ts"
import { type Answer, Client } from "./client.ts"

/** Two collections' worth of read buffers; what is held at one time is a small part of it. */
const growthMax = 128 * 1024 * 1024
const sampleMs = 20
/** How long the slow reader sleeps after each read, ms. */
const slowness = 5

export interface BodiesSize {
  /** Of a body whose both ends are as fast as they can be. */
  readonly bytes: number
  /** Of the body that is read slowly. */
  readonly slowBytes: number
}

/** Memory is how much the balancer's process grows at most, looked at every 20 ms, from before the first byte on. */
export async function bodies({ bytes, slowBytes }: BodiesSize, seed: number): Promise<Finding[]> {
  const bed = await Bed.open({ workers: 1, backends: 1, seed })
  try {
    // The first requests bring what code and pools take for good.
    await download(bed, "length", 16 * 1024 * 1024, 0)
    await upload(bed, "length", 16 * 1024 * 1024)
    const findings: Finding[] = []
    for (const framing of ["length", "chunked"] as const) {
      findings.push(await watched(bed, `up, ${framing}`, bytes, () => upload(bed, framing, bytes)))
    }
    for (const framing of framings) {
      findings.push(await watched(bed, `down, ${framing}`, bytes, () => download(bed, framing, bytes, 0)))
    }
    const slow = (): Promise<string> => download(bed, "length", slowBytes, slowness)
    findings.push(await watched(bed, "down to a slow reader", slowBytes, slow), await bed.settled())
    return findings
  } finally {
    bed.close()
  }
}

/** `move` returns what is wrong; "" when nothing is. */
async function watched(bed: Bed, what: string, bytes: number, move: () => Promise<string>): Promise<Finding> {
  const before = bed.memory
  let peak = before
  const sampler = setInterval(() => (peak = Math.max(peak, bed.memory)), sampleMs)
  const from = performance.now()
  const wrong = await move().catch((error: unknown) => String(error))
  clearInterval(sampler)
  const seconds = (performance.now() - from) / 1_000
  const grown = peak - before
  const text = `${mib(bytes)} ${what}: ${wrong === "" ? "every byte" : wrong}, ${mib(bytes / seconds)}/s`
  return {
    text: `${text}, grown by ${mib(grown)}, at most ${mib(growthMax)}`,
    holds: wrong === "" && grown <= growthMax,
  }
}

async function upload(bed: Bed, framing: Exclude<Framing, "close">, bytes: number): Promise<string> {
  const client = new Client(bed.port)
  const answer = client.answer()
  client.socket.write(`POST /up HTTP/1.1\r\nHost: soak\r\n${framingField(framing, bytes)}\r\n`)
  const sum = await sendBody(client.socket, framing, bytes)
  const { status, text } = await answer
  client.socket.destroy()
  const expected = JSON.stringify({ bytes, sum })
  return status === 200 && text === expected ? "" : `${status} ${text} instead of ${expected}`
}

async function download(bed: Bed, framing: Framing, bytes: number, slowness: number): Promise<string> {
  const client = new Client(bed.port)
  client.slowness = slowness
  const { status, body }: Answer = await client.get(`/down/${framing}/${bytes}`)
  client.socket.destroy()
  const sum = sumOf(bytes)
  return status === 200 && body.bytes === bytes && body.sum === sum
    ? ""
    : `${status}, ${body.bytes} bytes of sum ${body.sum} instead of ${sum}`
}
