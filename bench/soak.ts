/**
 * What the balancer bears, told as the real program in a process of its own before backends in others.
 *
 *     npm run soak                          everything, some minutes
 *     npm run soak -- --only idle           one of idle, bodies, tunnels, storm
 *     npm run soak -- --seed 7              the same chance again
 *
 * Needs some 20,500 descriptors per process (`ulimit -n`). The exit code is 1 when anything promised does not hold.
 */
import { parseArgs } from "node:util"
import type { Finding } from "./soak/bed.ts"
import { bodies } from "./soak/bodies.ts"
import { idle } from "./soak/idle.ts"
import { storm } from "./soak/storm.ts"
import { tunnels } from "./soak/tunnels.ts"

const gib = 1024 ** 3

const soaks: Readonly<Record<string, (seed: number) => Promise<Finding[]>>> = {
  idle: (seed) => idle({ idle: 10_000, busy: 200, busyMs: 10_000, bytesMax: 8 * 1024 }, seed),
  bodies: (seed) => bodies({ bytes: 4 * gib, slowBytes: gib / 8 }, seed),
  tunnels: (seed) => tunnels({ tunnels: 1_000, messages: 100 }, seed),
  storm: (seed) => storm({ ms: 60_000, clients: 200 }, seed),
}

const usage = `soak: --only is one of ${Object.keys(soaks).join(", ")}, --seed a number\n`

function given(): { readonly only?: string; readonly seed?: string } {
  try {
    return parseArgs({ options: { only: { type: "string" }, seed: { type: "string" } } }).values
  } catch {
    process.stderr.write(usage)
    process.exit(2)
  }
}

const values = given()
const names = values.only === undefined ? Object.keys(soaks) : [values.only]
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const unknown = names.find((name) => !Object.hasOwn(soaks, name))
if (unknown !== undefined || !Number.isSafeInteger(seed)) {
  process.stderr.write(usage)
  process.exit(2)
}

for (const name of names) {
  process.stdout.write(`\n${name} (seed ${seed})\n`)
  const findings = await soaks[name]!(seed).catch((error: unknown) => [{ text: String(error), holds: false }])
  for (const { text, holds } of findings) {
    process.stdout.write(`  ${holds ? "holds " : "FAILS "} ${text}\n`)
    if (!holds) process.exitCode = 1
  }
}
