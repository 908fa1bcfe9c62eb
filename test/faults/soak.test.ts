/** `npm run soak` in small: the real program in a process of its own, before backends in others. */
import assert from "node:assert/strict"
import { test } from "node:test"
import type { Finding } from "../../bench/soak/bed.ts"
import { bodies } from "../../bench/soak/bodies.ts"
import { idle } from "../../bench/soak/idle.ts"
import { storm } from "../../bench/soak/storm.ts"
import { tunnels } from "../../bench/soak/tunnels.ts"

const mib = 1024 ** 2

const soaks: Readonly<Record<string, (seed: number) => Promise<Finding[]>>> = {
  // Among so few, what the program needs anyway weighs more than they do.
  "idle connections among busy ones": (seed) =>
    idle({ idle: 500, busy: 20, busyMs: 300, bytesMax: 32 * 1024 }, seed),
  "large bodies in every framing": (seed) => bodies({ bytes: 32 * mib, slowBytes: 2 * mib }, seed),
  "tunnels that echo": (seed) => tunnels({ tunnels: 50, messages: 20 }, seed),
  "a storm": (seed) => storm({ ms: 1_500, clients: 50 }, seed),
}

for (const [name, soak] of Object.entries(soaks)) {
  test(`the program bears ${name}`, async (t) => {
    const seed = Number(process.env["SOAK_SEED"] ?? Date.now() % 1_000_000)
    t.diagnostic(`SOAK_SEED=${seed}`)
    const findings = await soak(seed)
    for (const { text } of findings) t.diagnostic(text)
    assert.deepEqual(
      findings.filter(({ holds }) => !holds).map(({ text }) => text),
      [],
    )
  })
}
