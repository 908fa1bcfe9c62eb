/**
 * Ten thousand inputs for each property, from one seed; `npm run fuzz` takes more of them from others.
 */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { compare } from "../support/wire/differential.ts"
import { properties } from "../support/wire/fuzz-properties.ts"
import { oracleRequests } from "../support/wire/llhttp.ts"
import { withoutCorpora } from "../support/wire/wire-corpus.ts"
import { readPieces } from "../support/wire/wire-reader.ts"

const seed = 20_261_124

for (const { name, make } of properties) {
  test(name, async (t) => {
    const counts: Record<string, number> = {}
    const told = (kind: string): void => void (counts[kind] = (counts[kind] ?? 0) + 1)
    // A failure names the seed and the path to the smallest input.
    await fc.assert(make(told), { numRuns: 2_500, seed })
    t.diagnostic(
      `${JSON.stringify(counts)}${withoutCorpora === false ? "" : `, without seeds: ${withoutCorpora}`}`,
    )
    assert.ok(Object.values(counts).every((count) => count > 0) && Object.keys(counts).length > 1)
  })
}

test("the comparison sees what it is for", () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\n"
  const good = `${head}Content-Length: 2\r\n\r\nab`
  assert.equal(kindOf(good, good), "taken")
  assert.equal(kindOf(good, `${head}Content-Length : 2\r\n\r\nab`), "looser")
  assert.equal(kindOf(good, `${head}Content-Length: 2\r\n\r\nac`), "apart")
  assert.equal(kindOf(good, `${head}Content-Length: 3\r\n\r\nabc`), "apart")
  assert.equal(kindOf(good, `${head}Content-Length: 2\r\n\r\n`), "apart")
  assert.equal(kindOf(good, `${good}${good}`), "apart")
  assert.equal(kindOf(`${good}${good}`, good), "apart")
  assert.equal(kindOf(`${head}Content-Length: 5\r\n\r\nab`, good), "apart")
  assert.equal(kindOf(`${head}Host: b\r\n\r\n`, `${head}Host: b\r\n\r\n`), "stricter")
  assert.equal(kindOf("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), "excepted")
})

/** The verdict if our parser had read the one and llhttp the other. */
function kindOf(ours: string, theirs: string): string {
  return compare(readPieces("request", [Buffer.from(ours)]), oracleRequests(Buffer.from(theirs))).kind
}
