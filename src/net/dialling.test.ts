import assert from "node:assert/strict"
import { test } from "node:test"
import { dialError, isCertificateRefusal } from "./dialling.ts"

test("why a connection was not made has a name: the name, the way there, or TLS", () => {
  assert.equal(dialError(named("ENOTFOUND"), "resolving"), "resolve_failed")
  assert.equal(dialError(named("ECONNREFUSED"), "connecting"), "connect_failed")
  assert.equal(dialError(named("ECONNRESET"), "securing"), "backend_tls_failed")
  assert.equal(dialError(named("EMFILE"), "resolving"), "local_shortage")
  assert.equal(dialError(named("EADDRNOTAVAIL"), "connecting"), "local_shortage")
})

test("a refusal of our certificate is told from every other alert, which may come when work is done", () => {
  const refusals = [
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "TLSV1_ALERT_UNKNOWN_CA",
  ]
  for (const code of refusals) assert.ok(isCertificateRefusal(named(`ERR_SSL_${code}`)), code)
  for (const code of ["TLSV1_ALERT_INTERNAL_ERROR", "SSLV3_ALERT_BAD_RECORD_MAC", "WRONG_VERSION_NUMBER"])
    assert.ok(!isCertificateRefusal(named(`ERR_SSL_${code}`)), code)
  assert.ok(!isCertificateRefusal(named("ECONNRESET")))
})

function named(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code })
}
