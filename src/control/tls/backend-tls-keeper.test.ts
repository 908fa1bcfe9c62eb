import assert from "node:assert/strict"
import { rmSync, writeFileSync } from "node:fs"
import { test } from "node:test"
import { certificateFolder, noOpenssl } from "../../../test/support/certificates.ts"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import { fileStamp } from "../../net/file-stamp.ts"
import type { BackendOptions } from "../../config/config.ts"
import { BackendTlsKeeper } from "./backend-tls-keeper.ts"
import { readBackendTls } from "../../config/certificates.ts"
import { readTextFile } from "../../config/config-file.ts"

const lookMs = 1_000

const skip = noOpenssl

test(
  "authorities and the own certificate are followed; what cannot be used keeps what was before",
  { skip },
  (t) => {
    const folder = certificateFolder(t)
    const own = folder.make("own", ["balancer.example"])
    const trusted = folder.make("ca", ["ca.example"])
    const files = {
      ca: folder.file("ca.pem"),
      cert: folder.file("own.pem"),
      key: folder.file("own.key.pem"),
    }
    const read = readBackendTls(files, readTextFile)
    assert.ok(read.ok)
    assert.deepEqual(read.value, { ca: trusted.cert, cert: own.cert, key: own.key })
    const timers = new HandTimers()
    const changes: BackendOptions["tls"][] = []
    const log: string[] = []
    const keeper = new BackendTlsKeeper({ verify: true, serverName: "apps.test", ...read.value }, files, {
      readFile: readTextFile,
      stamp: fileStamp,
      timers,
      log: (line) => log.push(line.replaceAll(`${folder.path}/`, "")),
      onChange: (tls) => changes.push(tls),
    })
    t.after(() => keeper.close())
    assert.deepEqual(keeper.reload(), { renewed: 0, refused: 0, same: 1 })

    const renewed = certificateFolder(t).make("own", ["balancer.example"])
    writeFileSync(files.cert, renewed.cert)
    timers.advance(2 * lookMs)
    assert.deepEqual(changes, [])
    assert.deepEqual(log, [
      'upstream.tls.key: the file "own.key.pem" is not the key of "own.pem"; what was read before it stays in use',
    ])
    writeFileSync(files.key, renewed.key)
    timers.advance(2 * lookMs)
    const now = {
      verify: true,
      serverName: "apps.test",
      ca: trusted.cert,
      cert: renewed.cert,
      key: renewed.key,
    }
    assert.deepEqual(changes, [now])

    rmSync(files.ca)
    timers.advance(2 * lookMs)
    assert.match(
      log.at(-1)!,
      /^upstream\.tls\.ca: the file "ca\.pem" cannot be read: there is no such file; /,
    )
    writeFileSync(files.ca, renewed.cert)
    timers.advance(2 * lookMs)
    assert.deepEqual(changes.at(-1), { ...now, ca: renewed.cert })
    keeper.close()
    assert.equal(timers.pending, 0)
  },
)

test("without files there is nothing to follow", () => {
  const timers = new HandTimers()
  const tls = { verify: true, serverName: undefined, ca: undefined, cert: undefined, key: undefined }
  const keeper = new BackendTlsKeeper(
    tls,
    { ca: undefined, cert: undefined, key: undefined },
    {
      readFile: readTextFile,
      stamp: fileStamp,
      timers,
      log: () => {},
      onChange: () => assert.fail("nothing has changed"),
    },
  )
  assert.equal(timers.pending, 0)
  assert.deepEqual(keeper.reload(), { renewed: 0, refused: 0, same: 1 })
})
