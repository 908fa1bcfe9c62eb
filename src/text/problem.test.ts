import assert from "node:assert/strict"
import { test } from "node:test"
import { formatIssue } from "./problem.ts"

test("a mistake of settings without a file says which setting, what is allowed and what is there, in one line", () => {
  const issue = {
    path: ["resources", 1, "name"],
    at: "value",
    message: "expected a\nname",
    found: '"?"',
  } as const
  assert.equal(formatIssue(issue), 'resources[1].name: expected a\\u000aname, found "?"')
  assert.equal(formatIssue({ ...issue, path: [], found: undefined }), "expected a\\u000aname")
})
