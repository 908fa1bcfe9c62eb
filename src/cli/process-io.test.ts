import assert from "node:assert/strict"
import { Writable } from "node:stream"
import { test } from "node:test"
import { processIo } from "./process-io.ts"

/** An output that fails as long as it is told to, or takes nothing. */
class Output extends Writable {
  text = ""
  failure: string | undefined
  stands = false
  #waiting: (() => void) | undefined

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.failure !== undefined) done(new Error(this.failure))
    else if (this.stands) this.#waiting = done
    else {
      this.text += chunk.toString()
      done()
    }
  }

  // As the outputs of a process, it outlives its errors.
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error)
    const undestroy: unknown = Reflect.get(this, "_undestroy")
    assert.ok(typeof undestroy === "function")
    undestroy.call(this)
  }

  goOn(): void {
    this.stands = false
    this.#waiting?.()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test("a line that cannot be written is lost and counted, and the next that can be says how many there were", async () => {
  const output = new Output()
  const io = processIo({ stdout: new Output(), stderr: output })
  io.err("one\n")
  for (const failure of ["EPIPE", "ENOSPC"]) {
    output.failure = failure
    io.err("two\nthree\n")
    await turn()
    io.err("four\n")
    await turn()
  }
  assert.equal(io.linesLost(), 6)
  output.failure = undefined
  io.err("five\n")
  io.err("six\n")
  await turn()
  assert.equal(output.text, "one\n(6 lines before this could not be written)\nfive\nsix\n")
  assert.equal(io.linesLost(), 6)
  output.failure = "EIO"
  io.err("seven\n")
  await turn()
  output.failure = undefined
  io.err("eight\n")
  await turn()
  assert.ok(output.text.endsWith("six\n(1 line before this could not be written)\neight\n"), output.text)
})

test("for a reader that stands still a bounded part is kept, and it goes on where the reader does", async () => {
  const output = new Output()
  const io = processIo({ stdout: new Output(), stderr: output })
  output.stands = true
  const line = `${"x".repeat(1_023)}\n`
  for (let i = 0; i < 4_000; i++) io.err(line)
  assert.ok(output.writableLength < 1.1 * 1024 * 1024, `${output.writableLength} bytes are kept`)
  assert.ok(io.linesLost() > 2_900 && io.linesLost() < 3_000, `${io.linesLost()} are lost`)
  const lost = io.linesLost()
  output.goOn()
  await turn()
  io.err("on\n")
  await turn()
  assert.ok(output.text.endsWith(`\n(${lost} lines before this could not be written)\non\n`))
})
