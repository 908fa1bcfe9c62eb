/**
 * What `npm test` runs: format, lint with types, the compiler's own check, then all tests.
 *
 * Every step runs even when an earlier one failed, so that one run shows all there is to mend; the exit code
 * is 1 when any failed. Arguments go to the test runner (`npm test -- --test-name-pattern "price"`).
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const bin = join(root, "node_modules", ".bin")

const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["format", join(bin, "oxfmt"), ["--check"]],
  ["lint", join(bin, "oxlint"), ["--type-aware", "--deny-warnings"]],
  ["types", join(bin, "tsc"), ["--noEmit"]],
  [
    "tests",
    process.execPath,
    [
      "--conditions=linebacker-source",
      "--test",
      ...process.argv.slice(2),
      "src/**/*.test.ts",
      "test/**/*.test.ts",
      "bench/**/*.test.ts",
    ],
  ],
]

const failed: string[] = []
for (const [name, command, args] of steps) {
  process.stdout.write(`\n── ${name}\n`)
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit" })
  if (result.status !== 0) failed.push(name)
}

if (failed.length > 0) {
  process.stdout.write(`\nfailed: ${failed.join(", ")}\n`)
  process.exitCode = 1
}
