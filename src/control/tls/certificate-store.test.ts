import assert from "node:assert/strict"
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { type CertificateFolder, certificateFolder, noOpenssl } from "../../../test/support/certificates.ts"
import { HandTimers } from "../../../test/support/hand-timers.ts"
import type { TlsCertificate } from "../../config/certificates.ts"
import { fileStamp } from "../../net/file-stamp.ts"
import { CertificateStore } from "./certificate-store.ts"
import { readTextFile } from "../../config/config-file.ts"

const lookMs = 1_000

const skip = noOpenssl
const day = 24 * 3_600_000

interface Stored {
  readonly folder: CertificateFolder
  readonly store: CertificateStore
  readonly timers: HandTimers
  readonly log: string[]
  readonly changes: (readonly TlsCertificate[])[]
  /** Time passes, so that what has happened is seen. */
  readonly happens: () => void
}

/** Certificates a and b; `now` is moved by that many days. */
function stored(t: TestContext, days = 0): Stored {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"], 90)
  folder.make("b", ["b.example"], 90)
  const timers = new HandTimers()
  const log: string[] = []
  const changes: (readonly TlsCertificate[])[] = []
  const files = ["a", "b"].map((name) => {
    return { cert: folder.file(`${name}.pem`), key: folder.file(`${name}.key.pem`), names: undefined }
  })
  const store = CertificateStore.open({
    files,
    readFile: readTextFile,
    stamp: fileStamp,
    timers,
    wallClock: () => Date.now() + days * day,
    log: (line) => log.push(line.replaceAll(`${folder.path}/`, "")),
    onChange: (certificates) => changes.push(certificates),
  })
  assert.ok(store.ok)
  t.after(() => store.value.close())
  const happens = (): void => timers.advance(2 * lookMs)
  return { folder, store: store.value, timers, log, changes, happens }
}

test("a renewal is taken once it has been quiet, and only what is new is", { skip }, (t) => {
  const { folder, store, timers, log, changes, happens } = stored(t)
  const [, second] = store.certificates
  const renewed = folder.make("a", ["a.example"], 90)
  happens()
  assert.deepEqual(store.certificates, [renewed, second])
  assert.deepEqual(changes, [[renewed, second]])
  assert.match(log.join("\n"), /^tls\.certificates\[0\]: renewed, for a\.example, valid until \S+Z$/)
  for (let i = 0; i < 3; i++) happens()
  assert.deepEqual([changes.length, log.length], [1, 1])
  store.close()
  assert.equal(timers.pending, 0)
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

test(
  "files behind a folder that is swapped as a link are followed, as Kubernetes renews them",
  { skip },
  (t) => {
    const folder = certificateFolder(t)
    const made = ["1", "2"].map((name) => {
      mkdirSync(folder.file(name))
      return folder.make(join(name, "site"), ["a.example"], 90)
    })
    symlinkSync("1", folder.file("..data"))
    const changes: (readonly TlsCertificate[])[] = []
    const timers = new HandTimers()
    const store = CertificateStore.open({
      files: [
        {
          cert: folder.file("..data/site.pem"),
          key: folder.file("..data/site.key.pem"),
          names: undefined,
        },
      ],
      readFile: readTextFile,
      stamp: fileStamp,
      timers,
      wallClock: () => Date.now(),
      log: () => {},
      onChange: (certificates) => changes.push(certificates),
    })
    assert.ok(store.ok)
    assert.deepEqual(store.value.certificates, [made[0]])
    symlinkSync("2", folder.file("next"))
    renameSync(folder.file("next"), folder.file("..data"))
    timers.advance(2 * lookMs)
    assert.deepEqual(changes, [[made[1]]])
  },
)

test("a certificate and its key that come one after the other are taken when they fit", { skip }, (t) => {
  const { folder, store, log, changes, happens } = stored(t)
  const before = store.certificates
  const renewed = certificateFolder(t).make("a", ["a.example"], 90)
  writeFileSync(folder.file("a.pem"), renewed.cert)
  happens()
  assert.deepEqual([store.certificates, changes], [before, []])
  assert.match(
    log.at(-1)!,
    /"a\.key\.pem" is not the key of "a\.pem"; the certificate before it stays in use$/,
  )
  writeFileSync(folder.file("a.key.pem"), renewed.key)
  happens()
  assert.deepEqual(changes, [[renewed, before[1]]])
})

test("files that are away for a while are said to be, once, and then to be right again", { skip }, (t) => {
  const { folder, log, changes, happens } = stored(t)
  renameSync(folder.file("a.pem"), folder.file("away"))
  for (let i = 0; i < 3; i++) happens()
  renameSync(folder.file("away"), folder.file("a.pem"))
  for (let i = 0; i < 3; i++) happens()
  assert.deepEqual(log, [
    'tls.certificates[0].cert: the file "a.pem" cannot be read: there is no such file; the certificate before it stays in use',
    "tls.certificates[0]: its files are valid again",
  ])
  assert.deepEqual(changes, [])
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
    stamp: fileStamp,
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
