import assert from "node:assert/strict"
import { test } from "node:test"
import { areConnectionCredentials, challengesConnection } from "./connection-authentication.ts"

function asks(text: string): boolean {
  const bytes = Buffer.from(`  ${text}  `, "latin1")
  return challengesConnection(bytes, 2, bytes.length - 2)
}

function gives(text: string): boolean {
  const bytes = Buffer.from(`  ${text}  `, "latin1")
  return areConnectionCredentials(bytes, 2, bytes.length - 2)
}

test("credentials of NTLM, Negotiate and their kin are for the whole connection, in any case", () => {
  for (const text of ["NTLM TlRM", "ntlm x", "Negotiate YII=", "nEGOTIATE", "Nego2 x", "Kerberos x"])
    assert.ok(gives(text), text)
})

test("all other credentials are for one request, whatever is in them", () => {
  const others = ["Basic bnRsbTpudGxt", "Bearer NTLM", "Digest username=ntlm", "NTL", "neg", "", "XNTLM y"]
  for (const text of others) assert.ok(!gives(text), text)
})

test("a challenge counts wherever it stands among others, also behind a quote that is left open", () => {
  const lists = [
    "NTLM",
    "Negotiate, NTLM",
    'Basic realm="a, b", ntlm',
    'Digest realm="x",NEGOTIATE',
    "Basic,\tNTLM TlRM",
    'Basic realm="open, NTLM',
  ]
  for (const text of lists) assert.ok(asks(text), text)
})

test("a list of other challenges asks for nothing of the kind", () => {
  for (const text of ["", "Basic", 'Basic realm="intlm"', "Bearer error=x", 'Digest nonce="renegotiate"'])
    assert.ok(!asks(text), text)
})
