import assert from "node:assert/strict"
import { X509Certificate } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { test } from "node:test"
import {
  type CertificateFolder,
  certificateFolder,
  noOpenssl,
  openssl,
} from "../../test/support/certificates.ts"
import { readCertificate } from "./certificates.ts"
import { formatProblem } from "../text/problem.ts"
import { loadConfig, readTextFile } from "./config-file.ts"

const skip = noOpenssl

/** The faults of a pair of files, each as its setting and message, with the folder left out. */
function faults({ path, file }: CertificateFolder, cert: string, key: string): string[] {
  const read = readCertificate({ cert: file(cert), key: file(key), names: undefined }, readTextFile)
  return read.ok
    ? []
    : read.error.map(({ setting, message }) => `${setting}: ${message.replaceAll(`${path}/`, "")}`)
}

test("a certificate is for the names in it, unless it is given others", { skip }, (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["A.example", "*.a.example"])
  folder.make("cn", [])
  const read = (name: string, names?: readonly string[]) => {
    const [cert, key] = [folder.file(`${name}.pem`), folder.file(`${name}.key.pem`)]
    const result = readCertificate({ cert, key, names }, readTextFile)
    assert.ok(result.ok)
    return result.value
  }
  assert.deepEqual(read("a").names, ["a.example", "*.a.example"])
  assert.deepEqual(read("a", ["b.example"]).names, ["b.example"])
  assert.deepEqual(read("cn").names, ["cn"])
  const { cert, key, validTo } = read("a")
  assert.deepEqual(
    [cert, key],
    [readTextFile(folder.file("a.pem")), readTextFile(folder.file("a.key.pem"))].map(
      (text) => text.ok && text.value,
    ),
  )
  assert.equal(validTo.getTime(), new X509Certificate(cert).validToDate.getTime())
})

test("whatever is wrong with the files is said of the right one", { skip }, (t) => {
  const folder = certificateFolder(t)
  folder.make("a", ["a.example"])
  folder.make("b", ["b.example"])
  writeFileSync(folder.file("text.pem"), "hello")
  writeFileSync(folder.file("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
  openssl([
    "pkey",
    "-aes128",
    "-passout",
    "pass:secret",
    "-in",
    folder.file("a.key.pem"),
    "-out",
    folder.file("locked.pem"),
  ])
  openssl(
    ["req", "-x509", "-nodes", "-newkey", "rsa:1024", "-subj", "/CN=weak", "-days", "1"],
    ["-keyout", folder.file("weak.key.pem"), "-out", folder.file("weak.pem")],
  )

  assert.deepEqual(faults(folder, "a.pem", "a.key.pem"), [])
  assert.deepEqual(faults(folder, "no.pem", "none.pem"), [
    'cert: the file "no.pem" cannot be read: there is no such file',
    'key: the file "none.pem" cannot be read: there is no such file',
  ])
  assert.deepEqual(faults(folder, "text.pem", "text.pem"), [
    'cert: expected a certificate in PEM form in the file "text.pem"',
    'key: expected a private key in PEM form in the file "text.pem"',
  ])
  assert.deepEqual(faults(folder, "broken.pem", "a.key.pem"), [
    'cert: expected a certificate in PEM form in the file "broken.pem"',
  ])
  assert.deepEqual(faults(folder, "a.key.pem", "a.pem"), [
    'cert: expected a certificate in PEM form in the file "a.key.pem"',
    'key: expected a private key in PEM form in the file "a.pem"',
  ])
  assert.deepEqual(faults(folder, "a.pem", "b.key.pem"), [
    'key: the file "b.key.pem" is not the key of "a.pem"',
  ])
  assert.deepEqual(faults(folder, "a.pem", "locked.pem"), [
    'key: expected a private key without a passphrase in the file "locked.pem"',
  ])
  assert.deepEqual(faults(folder, "weak.pem", "weak.key.pem"), [
    'cert: the file "weak.pem" cannot be served: ee key too small',
  ])
  // A chain whose second part is cut off.
  writeFileSync(
    folder.file("chain.pem"),
    `${readFileSync(folder.file("a.pem"), "utf8")}-----BEGIN CERTIFICATE-----\nAAAA\n`,
  )
  assert.match(
    faults(folder, "chain.pem", "a.key.pem").join(),
    /^cert: the file "chain.pem" cannot be served: /,
  )
})

test(
  "a configuration says where each wrong file is named, and finds files from where it stands",
  { skip },
  (t) => {
    const folder = certificateFolder(t)
    folder.make("a", ["a.example"])
    folder.make("b", ["b.example"])
    openssl(
      ["req", "-x509", "-nodes", "-newkey", "ed25519", "-subj", "/O=unnamed", "-days", "1"],
      ["-keyout", folder.file("ip.key.pem"), "-out", folder.file("ip.pem")],
    )
    const lines = (text: string): string[] => {
      writeFileSync(folder.file("lb.yaml"), text)
      const config = loadConfig(folder.file("lb.yaml"), { policies: { auto: {}, price: {} }, env: {} })
      return config.ok
        ? []
        : config.error.map((problem) => formatProblem(problem).replaceAll(`${folder.path}/`, ""))
    }
    const certificates = `tls:
  certificates:
    - cert: a.pem
      key: b.key.pem
    - {cert: missing.pem, key: b.key.pem}
    - cert: ip.pem
      key: ip.key.pem
`
    assert.deepEqual(lines(certificates), [
      'lb.yaml:4:12: tls.certificates[0].key: the file "b.key.pem" is not the key of "a.pem"',
      'lb.yaml:5:14: tls.certificates[1].cert: the file "missing.pem" cannot be read: there is no such file',
      'lb.yaml:6:13: tls.certificates[2].cert: the certificate in "ip.pem" names no host, so no client would get it: give it names',
    ])
    assert.deepEqual(lines("tls: {redirect: yes, listen: 1}\n"), [
      'lb.yaml:1:1: tls.certificates: "certificates" is missing: expected a list of 1 to 256 certificates',
      'lb.yaml:1:17: tls.redirect: expected true or false, found "yes"',
    ])
    assert.deepEqual(lines("tls: {certificates: [{cert: a.pem, key: a.key.pem, names: ['a b']}]}\n"), [
      'lb.yaml:1:60: tls.certificates[0].names[0]: expected a host name like a.example or *.example, found "a b"',
    ])
    assert.deepEqual(lines("listen: :5443\ntls: {certificates: [{cert: a.pem, key: a.key.pem}]}\n"), [
      'lb.yaml:1:9: listen: the same port as tls.listen, which is ":5443", found ":5443"',
    ])
    assert.deepEqual(lines("tls: {certificates: [{cert: a.pem, key: a.key.pem}], minVersion: 1.1}\n"), [
      'lb.yaml:1:66: tls.minVersion: expected one of "1.2", "1.3", found 1.1',
    ])
    assert.deepEqual(
      lines("trustedProxies: [10.0.0.0/8, example]\nproxyProtocol: {accept: [1.2.3.4/33]}\n"),
      [
        'lb.yaml:1:30: trustedProxies[1]: expected a CIDR like 10.0.0.0/8, found "example"',
        'lb.yaml:2:26: proxyProtocol.accept[0]: expected a CIDR like 10.0.0.0/8, found "1.2.3.4/33"',
      ],
    )
    assert.deepEqual(lines("tls:\n"), [])

    writeFileSync(
      folder.file("lb.yaml"),
      "tls: {certificates: [{cert: a.pem, key: a.key.pem, names: [X.example]}], minVersion: 1.3}\n",
    )
    const config = loadConfig(folder.file("lb.yaml"), { policies: { auto: {}, price: {} }, env: {} })
    assert.ok(config.ok)
    assert.deepEqual(config.value.tls, {
      listen: { host: "", port: 5443 },
      certificates: [{ cert: folder.file("a.pem"), key: folder.file("a.key.pem"), names: ["x.example"] }],
      minVersion: "TLSv1.3",
      redirect: false,
      redirectPort: undefined,
      ticketRotationMs: 8 * 3_600_000,
    })
  },
)
