import assert from "node:assert/strict"
import { test } from "node:test"
import { parseStrace } from "./syscalls.ts"

test("calls are read by name, most frequent first, with and without errors, without the total", () => {
  const table = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.012000           2      6000           write
 30.00    0.006000           1      6001        17 read
  9.99    0.002000          20       100           epoll_pwait
  0.01    0.000002           2         1         1 rt_sigreturn
------ ----------- ----------- --------- --------- ----------------
100.00    0.020002           1     12102        18 total
`
  assert.deepEqual(parseStrace(table), [
    { name: "read", calls: 6_001 },
    { name: "write", calls: 6_000 },
    { name: "epoll_pwait", calls: 100 },
    { name: "rt_sigreturn", calls: 1 },
  ])
})

test("an empty table has no calls", () => {
  assert.deepEqual(parseStrace(""), [])
})
