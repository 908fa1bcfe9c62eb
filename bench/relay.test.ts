/** The benchmark, as short as it can be: that it measures, not what. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { versionOf } from "./measuring/processes.ts"
import type { Trial } from "./measuring/trial.ts"

interface Report {
  readonly findings: readonly { readonly isValid: boolean; readonly data: Trial }[]
}

/** Why the benchmark cannot run here; undefined when it can. */
function hindrance(): string | undefined {
  if (availableParallelism() < 2) return "needs two cores"
  for (const program of ["nginx", "haproxy", "wrk", "taskset", "openssl"]) {
    if (versionOf(program, ["-v"], /(.*)/) === undefined) return `${program} is not installed`
  }
  return undefined
}

const skip = hindrance() ?? false

function bench(...args: string[]): {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
} {
  return spawnSync(process.execPath, [join(import.meta.dirname, "relay.ts"), ...args], {
    encoding: "utf8",
    timeout: 60_000,
  })
}

test(
  "peers are measured without a fault, and a missing one is skipped with what installs it",
  { skip },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-test-"))
    try {
      const json = join(folder, "report.json")
      const peers = "nginx,haproxy,linebacker,http-proxy"
      const flags = `--only small,upload --connections 4 --rounds 1 --seconds 1 --warm-up 0 --modules ${folder}`
      const { status, stdout, stderr } = bench(...flags.split(" "), "--peers", peers, "--json", json)
      assert.equal(status, 0, stdout + stderr)
      assert.match(stdout, /SKIPPED: http-proxy is not installed: npm install/)
      const { findings } = JSON.parse(readFileSync(json, "utf8")) as Report
      assert.deepEqual(
        findings.map(({ data }) => data.scenario.name),
        ["small", "upload"],
      )
      for (const { data, isValid } of findings) {
        assert.ok(isValid)
        assert.deepEqual(
          data.entries.map(({ peer }) => peer),
          ["nginx", "haproxy", "linebacker"],
        )
        for (const { rounds } of data.entries) {
          const [round] = rounds
          assert.ok(round!.requests > 0 && round!.cpuUs > 0 && round!.pssBytes > 0)
          assert.ok(Math.abs(round!.userUs + round!.systemUs - round!.cpuUs) < 1e-6)
        }
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

test("a scenario or a peer that is none is wrong use, in one line", () => {
  for (const args of [
    ["--only", "huge"],
    ["--peers", "apache"],
  ]) {
    const { status, stderr } = bench(...args)
    assert.equal(status, 1)
    assert.match(stderr, /^bench: there is no .*\n$/)
  }
})
