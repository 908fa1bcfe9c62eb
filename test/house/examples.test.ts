import assert from "node:assert/strict"
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import {
  startFakeRegistration,
  type FakeRegistration,
  type RegistrationCall,
} from "../support/fake-registration.ts"

const root = join(import.meta.dirname, "..", "..")

interface Example {
  readonly file: string
  /** What must be installed to run it. */
  readonly tool: string
  command(port: number): readonly string[]
  /** What its own server answers, where it has one. */
  readonly says?: string
}

const examples: readonly Example[] = [
  {
    file: "examples/announce.ts",
    tool: process.execPath,
    command: () => [process.execPath, "--conditions=linebacker-source", "examples/announce.ts"],
    says: "hello from TypeScript\n",
  },
  {
    file: "examples/announce-with-curl.sh",
    tool: "curl",
    command: (port) => ["sh", "examples/announce-with-curl.sh", "my-server", String(port)],
  },
  {
    file: "examples/announce_with_python.py",
    tool: "python3",
    command: (port) => ["python3", "examples/announce_with_python.py", String(port)],
    says: "hello from Python\n",
  },
]

for (const example of examples) {
  const { file, tool, says } = example
  const absent = spawnSync(tool, ["--version"]).status === 0 ? false : `${tool} is not installed`

  test(`${file} announces, renews, announces again when forgotten, leaves`, { skip: absent }, async (t) => {
    const balancer = await startFakeRegistration({ renewMs: 50 })
    t.after(() => balancer.close())
    const port = await freePort()
    const announced = balancer.next("announce")
    const child = run(t, example.command(port), {
      PORT: String(port),
      LINEBACKER: balancer.url,
      RENEW_S: "0.05",
    })
    const heard = (call: Promise<RegistrationCall>): Promise<RegistrationCall> => orItsEnd(child, call)

    const { body, id } = await heard(announced)
    assert.equal(body["address"], `:${port}`)
    assert.deepEqual(body["capacity"], { compute: 20, storage: 13 })
    await heard(balancer.next("renew"))
    if (says !== undefined) assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), says)

    balancer.forget()
    assert.equal((await heard(balancer.next("announce"))).id, id)
    await heard(balancer.next("renew"))

    const left = balancer.next("leave")
    const ended = once(child.process, "exit")
    child.process.kill("SIGTERM")
    assert.equal((await left).id, id)
    assert.deepEqual(await ended, [0, null])
    assert.equal(balancer.members.size, 0)
  })

  test(`${file} waits for a balancer that is down at the start`, { skip: absent }, async (t) => {
    const [port, balancerPort] = [await freePort(), await freePort()]
    const refused = await refusing(t, balancerPort)
    const child = run(t, example.command(port), {
      PORT: String(port),
      LINEBACKER: `http://127.0.0.1:${balancerPort}`,
      RENEW_S: "0.05",
    })
    await orItsEnd(child, refused.first)
    await refused.stop()

    const balancer: FakeRegistration = await startFakeRegistration({ port: balancerPort, renewMs: 50 })
    t.after(() => balancer.close())
    await orItsEnd(child, balancer.next("announce"))
  })
}

interface Child {
  readonly process: ChildProcess
  readonly errors: readonly string[]
}

/** Starts an example from the repository; it does not outlive the test. */
function run(t: TestContext, [file, ...args]: readonly string[], env: Record<string, string>): Child {
  const child = spawn(file!, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  })
  const errors: string[] = []
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk.toString()))
  t.after(() => child.kill("SIGKILL"))
  return { process: child, errors }
}

/** What is awaited, or an error with what the example printed when it ends before. */
async function orItsEnd<T>(child: Child, awaited: Promise<T>): Promise<T> {
  const given = new AbortController()
  const ended = once(child.process, "exit", { signal: given.signal }).then(([code]) => {
    throw new Error(`ended early with ${String(code)}: ${child.errors.join("")}`)
  })
  try {
    return await Promise.race([awaited, ended])
  } finally {
    ended.catch(() => {})
    given.abort()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resets every connection to a port until it stops; says when the first has come. */
async function refusing(
  t: TestContext,
  port: number,
): Promise<{ readonly first: Promise<void>; stop(): Promise<void> }> {
  const first = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.resetAndDestroy()
    first.resolve()
  }).listen(port, "127.0.0.1")
  await once(server, "listening")
  t.after(() => server.close())
  const stop = (): Promise<void> => new Promise((resolve) => void server.close(() => resolve()))
  return { first: first.promise, stop }
}
