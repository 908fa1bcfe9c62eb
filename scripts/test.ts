/**
 * What `npm test` runs: format, lint with types, the compiler's own check, then all tests.
 *
 *     npm test                                      everything
 *     npm test -- src/core/hash.test.ts             the checks, and the tests of that file (or several)
 *     npm test -- --test-name-pattern "price"       other arguments go to Node.js's test runner
 *     npm run test:fast                             the checks, and the short tests that stand beside the code
 *
 * Every step runs even when an earlier one failed, so that one run shows all there is to fix; the exit code is 1 when
 * any failed.
 */
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const bin = join(root, "node_modules", ".bin")

const words = process.argv.slice(2).filter((word) => word !== "--fast")
const isFast = words.length < process.argv.length - 2
const files = words.filter((word) => word.endsWith(".test.ts"))
const all = ["src/**/*.test.ts", "test/**/*.test.ts", "bench/**/*.test.ts"]
/**
 * Files beside the code that take seconds of CPU time: simulations of many requests, and threads that are waited for.
 */
const long = [
  "src/policies/exam.test.ts",
  "src/proxy/threads/threads.test.ts",
  "src/sim/capacity.test.ts",
  "src/sim/engine/learning.test.ts",
  "src/sim/engine/prequal.test.ts",
  "src/sim/run.test.ts",
  "src/sim/theory.test.ts",
]
const reporter = words.some((word) => word.startsWith("--test-reporter"))
  ? []
  : ["--test-reporter=./scripts/quiet-reporter.ts"]

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
      `--test-concurrency=${Math.max(2, availableParallelism())}`,
      ...reporter,
      ...words.filter((word) => !files.includes(word)),
      ...(files.length > 0 ? files : isFast ? shortFiles() : all),
    ],
  ],
]

function shortFiles(): string[] {
  return globSync("src/**/*.test.ts", { cwd: root }).filter((path) => !long.includes(path))
}

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
