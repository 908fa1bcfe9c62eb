import assert from "node:assert/strict"
import { test } from "node:test"
import { Deadlines, type Limited, never, sweepMs } from "./deadlines.ts"

class Connection implements Limited {
  deadlineAt = never
  late = 0

  onDeadline(): void {
    this.late++
  }
}

test("a limit is never early and at most two periods late", () => {
  // Set anywhere within a period, the coarse time is up to one period old, and a sweep may just have passed.
  for (let offset = 0; offset < sweepMs; offset += 10) {
    const deadlines = new Deadlines(0)
    const connection = new Connection()
    deadlines.add(connection)
    // `offset` has gone by since the sweep at 0; the coarse time does not show it.
    connection.deadlineAt = deadlines.after(1_000)
    let now = 0
    // Sweeps may come late, and are then further apart.
    while (connection.late === 0) deadlines.sweep((now += sweepMs))
    assert.ok(now - offset >= 1_000 && now - offset <= 1_000 + 2 * sweepMs, `after ${now - offset} ms`)
  }
})

test("a connection is told once, and not at all without a limit or after it has left", () => {
  const deadlines = new Deadlines(0)
  const [once, unlimited, gone] = [new Connection(), new Connection(), new Connection()]
  for (const connection of [once, unlimited, gone]) deadlines.add(connection)
  once.deadlineAt = gone.deadlineAt = 1
  deadlines.delete(gone)
  deadlines.sweep(1_000)
  deadlines.sweep(2_000)
  assert.deepEqual([once.late, unlimited.late, gone.late], [1, 0, 0])
})
