import assert from "node:assert/strict"
import { test } from "node:test"
import { type Finding, markdownOf, textOf, withBlock, withFindings } from "./report.ts"

const finding = (title: string, rows: Finding["rows"] = [["a", "1"]]): Finding => ({
  name: "small",
  title,
  head: ["peer", "CPU", "p50"],
  rows,
  remarks: ["SKIPPED: b."],
  isValid: true,
  data: undefined,
})

test("names are aligned to the left and figures to the right", () => {
  const rows = [
    ["linebacker", "9.5", "100"],
    ["nginx", "10.5", "2"],
  ]
  assert.equal(
    textOf(finding("Title", rows)),
    ["Title", "peer         CPU  p50", "linebacker   9.5  100", "nginx       10.5    2", "SKIPPED: b."].join(
      "\n",
    ),
  )
})

test("a column of words is aligned to the left, for people and in Markdown", () => {
  const rows = [
    ["nginx", "5.3", "read 2, write 2"],
    ["a", "12.5", "none"],
  ]
  assert.match(textOf(finding("Title", rows)), /^a {6}12.5 {2}none$/m)
  assert.match(markdownOf(finding("Title", rows)), /^\| --- \| --: \| --- \|$/m)
})

test("a remark in place of figures does not widen the columns", () => {
  const text = textOf(
    finding("Title", [
      ["nginx", "INVALID: Socket errors: read 7"],
      ["haproxy", "1", "2"],
    ]),
  )
  assert.match(text, /^nginx {4}INVALID: Socket errors: read 7$/m)
  assert.match(text, /^haproxy {4}1 {4}2$/m)
})

test("Markdown has a cell for every column", () => {
  const text = markdownOf(finding("Title", [["nginx", "INVALID"]]))
  assert.match(text, /^\| nginx \| INVALID \| {2}\|$/m)
})

test("a block is replaced, and only that one, however often", () => {
  const document = "a\n<!-- bench small -->\nold\n<!-- /bench -->\nb\n<!-- bench new -->\n<!-- /bench -->\n"
  const once = withBlock(document, "small", "fresh\n")
  assert.equal(
    once,
    "a\n<!-- bench small -->\n\nfresh\n\n<!-- /bench -->\nb\n<!-- bench new -->\n<!-- /bench -->\n",
  )
  assert.equal(withBlock(once, "small", "fresh"), once)
})

test("figures without a place in the document are an error, not lost", () => {
  assert.throws(() => withBlock("<!-- bench small -->", "small", "x"), /no <!-- bench small -->/)
  assert.throws(() => withBlock("<!-- /bench -->", "small", "x"), /no <!-- bench small -->/)
})

test("findings of one scenario share its place, in their order, with where they come from below", () => {
  const document = "<!-- bench small -->\n<!-- /bench -->\n"
  const text = withFindings(document, [finding("16 connections"), finding("64 connections")], "this machine")
  assert.match(text, /16 connections[^]*64 connections[^]*this machine[^]*<!-- \/bench -->/)
  assert.equal(text.match(/this machine/g)?.length, 1)
})
