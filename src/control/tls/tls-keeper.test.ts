import assert from "node:assert/strict"
import { test, type TestContext } from "node:test"
import { certificateFolder, noOpenssl } from "../../../test/support/certificates.ts"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import type { TlsMaterial } from "../../proxy/options.ts"
import { readTextFile } from "../../config/config-file.ts"
import { TlsKeeper } from "./tls-keeper.ts"

const skip = noOpenssl
const hour = 3_600_000

function kept(t: TestContext, ticketRotationMs: number) {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"], 90)
  const timers = new HandTimers()
  const changes: TlsMaterial[] = []
  let made = 0
  const keeper = new TlsKeeper(
    {
      listen: { host: "127.0.0.1", port: 5_443 },
      certificates: [{ cert: folder.file("a.pem"), key: folder.file("a.key.pem"), names: undefined }],
      minVersion: "TLSv1.3",
      redirect: true,
      redirectPort: 443,
      ticketRotationMs,
    },
    {
      readFile: readTextFile,
      stamp: () => "",
      timers,
      wallClock: () => Date.now(),
      newKey: () => new Uint8Array(48).fill(++made),
      log: () => {},
      onChange: (material) => changes.push(material),
    },
  )
  t.after(() => keeper.close())
  return { folder, keeper, timers, changes }
}

test("a session lasts two hours, and never longer than its key is known", { skip }, (t) => {
  assert.equal(kept(t, 8 * hour).keeper.options.sessionSeconds, 7_200)
  assert.equal(kept(t, 60_000).keeper.options.sessionSeconds, 60)
})

test("a new key and a new certificate are told together with what has stayed", { skip }, (t) => {
  const { folder, keeper, timers, changes } = kept(t, 8 * hour)
  const first = keeper.options.material
  timers.advance(8 * hour)
  assert.deepEqual(changes.at(-1), {
    certificates: first.certificates,
    ticketKeys: [new Uint8Array(48).fill(2), new Uint8Array(48).fill(1)],
  })
  timers.advance(2 * hour)
  const renewed = folder.make("a", ["a.example"], 90)
  keeper.reload()
  assert.deepEqual(changes.at(-1), { certificates: [renewed], ticketKeys: [new Uint8Array(48).fill(2)] })
  assert.equal(keeper.options.material, changes.at(-1))
  assert.equal(changes.length, 3)
})

test("closed, it waits for nothing", { skip }, (t) => {
  const { keeper, timers } = kept(t, 8 * hour)
  timers.advance(8 * hour)
  keeper.close()
  assert.equal(timers.pending, 0)
})
