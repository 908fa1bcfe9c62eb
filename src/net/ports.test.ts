import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { test } from "node:test"
import { ListenError, takePorts } from "./ports.ts"
import { freePorts } from "../../test/support/free-ports.ts"

const host = "127.0.0.1"

async function isBusy(port: number, tls?: { readonly host: string; readonly port: number }): Promise<string> {
  try {
    const taken = await takePorts({ host, port }, tls)
    taken.release()
    return "free"
  } catch (error) {
    assert.ok(error instanceof ListenError)
    return `${error.listener} ${error.code}`
  }
}

test("ports that the system chooses are two, and stay those that were given", async () => {
  const taken = await takePorts({ host, port: 0 }, { host, port: 0 })
  assert.ok(taken.port > 0 && taken.tlsPort! > 0 && taken.port !== taken.tlsPort)
  taken.release()
  const [one, two] = (await freePorts(2)) as [number, number]
  const { port, tlsPort, release } = await takePorts({ host, port: two }, { host, port: one })
  release()
  assert.deepEqual([port, tlsPort], [two, one])
})

test("a port that is taken, wanted twice or no address of the machine is refused by the name of its listener", async (t) => {
  const [free] = (await freePorts(1)) as [number]
  const server = createServer().listen(0, host)
  await once(server, "listening")
  t.after(() => void server.close())
  const address = server.address()
  assert.ok(typeof address === "object" && address !== null)
  assert.equal(await isBusy(address.port), "traffic EADDRINUSE")
  assert.equal(await isBusy(free, { host, port: address.port }), "tls EADDRINUSE")
  assert.equal(await isBusy(free, { host, port: free }), "tls EADDRINUSE")
  assert.equal(await isBusy(free, { host: "192.0.2.1", port: free }), "tls EADDRNOTAVAIL")
  assert.equal(await isBusy(free), "free")
})

test("while one has its turn another waits, whatever the order of its ports, and looks only then", async () => {
  const [one, two] = (await freePorts(2)) as [number, number]
  const first = await takePorts({ host, port: one }, { host, port: two })
  let looked = false
  const second = takePorts({ host, port: two }, { host, port: one }).finally(() => (looked = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(looked, false)
  const server = createServer().listen(one, host)
  await once(server, "listening")
  first.release()
  await assert.rejects(second, (error) => error instanceof ListenError && error.listener === "tls")
  server.close()
  assert.equal(await isBusy(two), "free")
})

test("one that is killed in its turn holds up no other", async (t) => {
  const [port] = (await freePorts(1)) as [number]
  const code = `const { takePorts } = await import(${JSON.stringify(new URL("./ports.ts", import.meta.url).href)})
    await takePorts({ host: "127.0.0.1", port: ${port} })
    console.log("has it")`
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  t.after(() => child.kill("SIGKILL"))
  await once(child.stdout, "data")
  const next = isBusy(port)
  child.kill("SIGKILL")
  assert.equal(await next, "free")
})
