import assert from "node:assert/strict"
import { rmSync, writeFileSync } from "node:fs"
import { test, type TestContext } from "node:test"
import { type CertificateFolder, certificateFolder, noOpenssl } from "../../test/support/certificates.ts"
import { HandTimers } from "../../test/support/hand-timers.ts"
import type { TlsCertificate } from "../proxy/options.ts"
import { CertificateStore, settleMs } from "./certificate-store.ts"
import { readTextFile } from "./config-file.ts"

const skip = noOpenssl
const day = 24 * 3_600_000
const nobodyWatches = (): void => assert.fail("nobody watches")

interface Stored {
  readonly folder: CertificateFolder
  readonly store: CertificateStore
  readonly timers: HandTimers
  readonly log: string[]
  readonly changes: (readonly TlsCertificate[])[]
  /** Something has happened in the folder, and it has been quiet since. */
  readonly happens: () => void
  /** Folders that are watched now. */
  readonly watched: Set<string>
  readonly lose: (why: string) => void
}

/** Certificates a and b; `now` is moved by that many days. */
function stored(t: TestContext, days = 0): Stored {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"], 90)
  folder.make("b", ["b.example"], 90)
  const timers = new HandTimers()
  const log: string[] = []
  const changes: (readonly TlsCertificate[])[] = []
  const watched = new Set<string>()
  let event = nobodyWatches
  let lost: (why: string) => void = nobodyWatches
  const files = ["a", "b"].map((name) => {
    return { cert: folder.file(`${name}.pem`), key: folder.file(`${name}.key.pem`), names: undefined }
  })
  const store = CertificateStore.open({
    files,
    readFile: readTextFile,
    watchFolder: (path, onEvent, onLost) => {
      watched.add(path)
      event = onEvent
      lost = onLost
      return () => watched.delete(path)
    },
    timers,
    wallClock: () => Date.now() + days * day,
    log: (line) => log.push(line.replaceAll(`${folder.path}/`, "")),
    onChange: (certificates) => changes.push(certificates),
  })
  assert.ok(store.ok)
  t.after(() => store.value.close())
  const happens = (): void => {
    event()
    timers.advance(settleMs)
  }
  return { folder, store: store.value, timers, log, changes, happens, watched, lose: (why) => lost(why) }
}

test("a renewal is taken once it has been quiet, and only what is new is", { skip }, (t) => {
  const { folder, store, timers, log, changes, happens } = stored(t)
  const [, second] = store.certificates
  const renewed = folder.make("a", ["a.example"], 90)
  happens()
  assert.deepEqual(store.certificates, [renewed, second])
  assert.deepEqual(changes, [[renewed, second]])
  assert.match(log.join("\n"), /^tls\.certificates\[0\]: renewed, for a\.example, valid until \S+Z$/)
  // Events without a change cost nothing but a look.
  for (let i = 0; i < 3; i++) happens()
  assert.deepEqual([changes.length, log.length, timers.pending], [1, 1, 0])
})

test(
  "a certificate that is broken keeps the one before, says why, and holds no other back",
  { skip },
  (t) => {
    const { folder, store, log, changes, happens } = stored(t)
    const [first] = store.certificates
    writeFileSync(folder.file("a.pem"), "half a certific")
    const renewed = folder.make("b", ["new-b.example"], 90)
    happens()
    assert.deepEqual(store.certificates, [first, renewed])
    assert.equal(
      log[0],
      'tls.certificates[0].cert: expected a certificate in PEM form in the file "a.pem"; the certificate before it stays in use',
    )
    const mended = folder.make("a", ["a.example"], 90)
    // The key of one and the certificate of another: a renewal that is half done.
    writeFileSync(folder.file("a.pem"), renewed.cert)
    happens()
    assert.match(
      log.at(-1)!,
      /^tls\.certificates\[0\]\.key: the file "a\.key\.pem" is not the key of "a\.pem"; /,
    )
    assert.deepEqual(store.certificates, [first, renewed])
    writeFileSync(folder.file("a.pem"), mended.cert)
    happens()
    assert.deepEqual(changes.at(-1), [mended, renewed])
  },
)

test("files that vanish are no reason to stop serving", { skip }, (t) => {
  const { folder, store, log, changes } = stored(t)
  const before = store.certificates
  rmSync(folder.file("b.pem"))
  store.reload()
  assert.deepEqual([store.certificates, changes], [before, []])
  assert.match(
    log.join(),
    /certificates\[1\]\.cert: the file "b\.pem" cannot be read: there is no such file; /,
  )
})

test("the folder is watched until the store is closed, and who cannot be watched is said", { skip }, (t) => {
  const { folder, store, timers, watched, happens, lose, log } = stored(t)
  assert.deepEqual([...watched], [folder.path])
  happens()
  assert.deepEqual([...watched], [folder.path])
  lose("it is gone")
  assert.match(log.join(), /^changes in "\S+" are not seen \(it is gone\): send SIGHUP after a renewal$/)
  store.close()
  assert.deepEqual([watched.size, timers.pending], [0, 0])
})

test("a certificate that has ended, or soon will, is served and said", { skip }, (t) => {
  assert.deepEqual(stored(t, 0).log, [])
  assert.match(
    stored(t, 80).log.join("\n"),
    /^tls\.certificates\[0\]: ends on \S+\ntls\.certificates\[1\]: ends on \S+$/,
  )
  assert.match(stored(t, 100).log.join("\n"), /^tls\.certificates\[0\]: has been invalid since \S+\n/)
  assert.match(stored(t, -1).log.join("\n"), /^tls\.certificates\[0\]: not valid before \S+\n/)
})

test("without its certificates nothing is opened", { skip }, (t) => {
  const folder = certificateFolder(t)
  const store = CertificateStore.open({
    files: [{ cert: folder.file("a.pem"), key: folder.file("a.key.pem"), names: undefined }],
    readFile: readTextFile,
    watchFolder: () => assert.fail("there is nothing to watch"),
    timers: new HandTimers(),
    wallClock: () => 0,
    log: () => {},
    onChange: () => {},
  })
  assert.match(
    store.ok ? "" : store.error,
    /^tls\.certificates\[0\]\.cert: the file "\S+" cannot be read: there is no such file$/,
  )
})
