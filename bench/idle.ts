/** Memory per idle connection: what a peer grows by when many clients have asked once and stay connected. */
import { connect, type Socket } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import { runWrk } from "./measuring/load.ts"
import { type Memory, memoryOf } from "./measuring/proc.ts"
import { scenarioNamed, smallBody } from "./measuring/scenarios.ts"

/** So many connections are opened at a time. */
const openingMax = 64
/** Until memory has settled: collectors of garbage run, pools shrink. */
const settleMs = 3_000
const answerMsMax = 20_000

export interface IdleMemory {
  readonly connections: number
  readonly before: Memory
  readonly after: Memory
}

/**
 * The peer should be fresh: what it has once used and kept would hide what the connections need. It first works
 * for a moment, so that its code and its connections to the backends are not counted as the clients'.
 */
export async function idleMemoryOf(
  pid: number,
  port: number,
  connections: number,
  wrk: { readonly cores: string; readonly folder: string },
): Promise<IdleMemory> {
  await runWrk({ ...wrk, scenario: scenarioNamed("small")!, connections: 64, seconds: 2, port })
  await pause(settleMs)
  const before = memoryOf(pid)
  const sockets = await openAll(port, connections)
  try {
    await pause(settleMs)
    const lost = sockets.filter((socket) => socket.destroyed || socket.readableEnded).length
    if (lost > 0) throw new Error(`${lost} of ${connections} idle connections were not kept`)
    return { connections, before, after: memoryOf(pid) }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

async function openAll(port: number, connections: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  const open = async (): Promise<void> => {
    while (sockets.length < connections) {
      const socket = connect({ host: "127.0.0.1", port })
      sockets.push(socket)
      await askOnce(socket, port)
    }
  }
  await Promise.all(Array.from({ length: openingMax }, open))
  return sockets
}

function askOnce(socket: Socket, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error("an idle connection got no response within 20 s")),
      answerMsMax,
    )
    let text = ""
    const read = (chunk: Buffer): void => {
      text += chunk.toString("latin1")
      if (!text.endsWith(smallBody)) return
      socket.off("data", read)
      clearTimeout(late)
      resolve()
    }
    socket.on("data", read).once("error", reject)
    socket.write(`GET /small HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  })
}
