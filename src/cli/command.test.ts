import assert from "node:assert/strict"
import { test } from "node:test"
import { type Command, commandLine, helpOf, parseCommandLine, text, UsageError } from "./command.ts"

const throwing: Command = {
  name: "throw",
  usage: "[BALL]",
  positionalsMax: 1,
  options: {
    far: { type: "boolean", about: "Farther." },
    to: { type: "string", short: "t", value: "NAME", about: "The player that catches it." },
  },
  run: async () => 0,
}

function given(...words: string[]) {
  return parseCommandLine(throwing, words)
}

test("reads options long and short, with their values behind or attached", () => {
  for (const words of [["--to", "Ann"], ["--to=Ann"], ["-t", "Ann"], ["-tAnn"]]) {
    assert.equal(text(given(...words), "to"), "Ann", words.join(" "))
  }
  assert.equal(given("--far").values["far"], true)
  assert.equal(text(given("--far"), "to"), undefined)
  assert.deepEqual(given("--far", "ball").positionals, ["ball"])
})

test("takes words behind -- as they are", () => {
  assert.deepEqual(given("--", "--ball").positionals, ["--ball"])
})

test("refuses what the table does not have", () => {
  const cases: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [["--tp", "Ann"], /^there is no option --tp; did you mean "--to"\?$/],
    [["--elsewhere=1"], /^there is no option --elsewhere$/],
    [["-x"], /-x/],
    [["--to"], /--to/],
    [["--far=very"], /--far/],
    [["a", "b"], /^unexpected "b"$/],
  ]
  for (const [words, message] of cases) {
    assert.throws(
      () => given(...words),
      (error) => error instanceof UsageError && message.test(error.message),
      words.join(" "),
    )
  }
})

test("the help is the table", () => {
  assert.equal(
    helpOf(throwing, "Throw a ball."),
    `Throw a ball.

Usage: linebacker throw [BALL]

Options:
      --far      Farther.
  -t, --to NAME  The player that catches it.
  -h, --help     Show this.
`,
  )
})

test("a command line is shown as a shell takes it, without what does not belong to it", () => {
  const values = { to: "Ann and Bob's", far: true, high: false, with: ["a", "b,c"], report: "out" }
  assert.equal(
    commandLine(["throw", "the ball"], { values, positionals: [] }, ["report"]),
    "linebacker throw 'the ball' --to 'Ann and Bob'\\''s' --far --with a --with b,c",
  )
})
