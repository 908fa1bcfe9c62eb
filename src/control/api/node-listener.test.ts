import assert from "node:assert/strict"
import { request } from "node:http"
import { test } from "node:test"
import { noIpv6 } from "../../../test/support/no-ipv6.ts"
import { isOpen } from "../../../test/support/processes.ts"
import { listening, serverOf } from "./node-listener.ts"

const limits = { headBytesMax: 4_096, requestMs: 5_000, connectionsMax: 10 }

test(
  "at localhost a server listens at both families, and at none once it closes",
  { skip: noIpv6 },
  async (t) => {
    const server = serverOf(limits, (_request, response) => response.end("here"))
    t.after(() => server.close())
    const { host, port } = await listening(server, { host: "localhost", port: 0 })
    assert.equal(host, "127.0.0.1")
    for (const family of ["127.0.0.1", "::1"]) {
      assert.equal(await statusOf(family, port), 200, family)
    }
    server.close()
    for (const family of ["127.0.0.1", "::1"]) {
      // A connection that the other listener still takes is ended without a word.
      assert.notEqual(await statusOf(family, port), 200, family)
    }
    assert.equal(await isOpen(port, "::1"), false)
  },
)

function statusOf(host: string, port: number): Promise<number | string> {
  return new Promise((resolve) => {
    request({ host, port, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on("error", ({ code = "" }: NodeJS.ErrnoException) => resolve(code))
      .end()
  })
}
