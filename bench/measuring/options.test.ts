import assert from "node:assert/strict"
import { test } from "node:test"
import { parseOptions } from "./options.ts"

test("without flags, every scenario is measured with its own connections", () => {
  const options = parseOptions([])
  assert.equal(options?.only, undefined)
  assert.equal(options?.connections, undefined)
  assert.ok(options!.peers.includes("linebacker"))
})

test("lists are separated by commas", () => {
  const options = parseOptions(["--only", "small,new", "--connections", "1,64", "--node-flags=--a  --b=c"])
  assert.deepEqual(options?.only, ["small", "new"])
  assert.deepEqual(options?.connections, [1, 64])
  assert.deepEqual(options?.nodeFlags, ["--a", "--b=c"])
})

test("a measurement may start cold, but takes its time", () => {
  assert.equal(parseOptions(["--warm-up", "0"])?.warmUpSeconds, 0)
  assert.throws(() => parseOptions(["--seconds", "0"]), /--seconds/)
})

test("a count that is none is refused by name", () => {
  for (const wrong of ["0", "-1", "1.5", "many", ""]) {
    assert.throws(() => parseOptions([`--rounds=${wrong}`]), /--rounds is a whole number/)
  }
})

test("unknown flags are refused", () => {
  assert.throws(() => parseOptions(["--round", "3"]), TypeError)
})

test("--help asks for nothing to be measured", () => {
  assert.equal(parseOptions(["--help"]), undefined)
})
