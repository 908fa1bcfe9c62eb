import assert from "node:assert/strict"
import { test } from "node:test"
import { straightened } from "./lenient-head.ts"

function straight(text: string): string | undefined {
  const bytes = Buffer.from(`xx${text}`, "latin1")
  return straightened(bytes, 2, bytes.length)?.toString("latin1")
}

test("lines end in CRLF, folds are one line, and names reach their colon", () => {
  for (const [bent, expected] of [
    ["HTTP/1.1 200 OK\nA: b\n\nbody\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\n"],
    ["HTTP/1.1 200 OK\r\nA: b\n\r\nbody", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody"],
    ["HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\n\r\n"],
    ["HTTP/1.1 200\n\n", "HTTP/1.1 200\r\n\r\n"],
    ["HTTP/1.1 200 OK\r\nA: b \r\n\t c\r\n d\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b c d\r\n\r\n"],
    ["HTTP/1.1 200 OK\r\nA \t: b : c\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b : c\r\n\r\n"],
    ["HTTP/1.1 200 a : b\r\n\r\n", "HTTP/1.1 200 a : b\r\n\r\n"],
  ] as const)
    assert.equal(straight(bent), expected)
})

test("what means nothing certain stays as it is", () => {
  for (const odd of [
    "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA\rB: c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA b : c\r\n\r\n",
    "HTTP/1.1 200 OK\r\n : c\r\n\r\n",
  ])
    assert.equal(straight(odd), odd)
})

test("a head that has not ended is waited for", () => {
  for (const part of ["", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\nA: b\n", "HTTP/1.1 200 OK\nA: b\n\r"])
    assert.equal(straight(part), undefined)
})
