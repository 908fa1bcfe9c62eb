/** The container files, as far as they can be tested without an engine: they agree with each other and the seed. */

import assert from "node:assert/strict"
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test, type TestContext } from "node:test"
import { parse } from "yaml"
import { backend } from "../../src/cli/backend.ts"
import { parseCommandLine } from "../../src/cli/command.ts"
import { serve } from "../../src/cli/serve.ts"
import type { Config } from "../../src/config/config.ts"
import { loadConfig } from "../../src/config/config-file.ts"
import { policies } from "../../src/policies/index.ts"

const root = join(import.meta.dirname, "..", "..")

interface Service {
  readonly build?: { readonly context: string; readonly args: Readonly<Record<string, string>> }
  readonly image: string
  readonly container_name?: string
  readonly command: readonly [command: string, ...words: string[]]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports: readonly string[]
  readonly depends_on?: readonly string[]
  readonly stop_grace_period: string
  readonly restart: string
}

const compose = parse(read("compose.yaml"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
}
const { front, ...backends } = compose.services as { readonly front: Service } & Record<string, Service>

interface Instruction {
  readonly name: string
  readonly words: readonly string[]
}

const dockerfile: readonly Instruction[] = read("Dockerfile")
  .replaceAll(/\\\n/g, " ")
  .split("\n")
  .filter((line) => line.trim() !== "" && !line.startsWith("#"))
  .map((line) => {
    const [name = "", ...words] = line.trim().split(/\s+/)
    return { name, words }
  })

test("compose.yaml has services only, which every version of compose reads", () => {
  assert.deepEqual(Object.keys(compose), ["services"])
  assert.deepEqual(Object.keys(compose.services), ["front", "bs1", "bs2", "bs3"])
  assert.equal(front.container_name, "load-balancer")
})

test("the published ports are the seed's, on this machine only, and registration is not among them", () => {
  assert.deepEqual(front.ports, ["127.0.0.1:5252:5252", "127.0.0.1:9494:9494"])
  assert.deepEqual(
    Object.values(backends).flatMap(({ ports }) => ports),
    ["127.0.0.1:5453:8080", "127.0.0.1:5454:8080", "127.0.0.1:5455:8080"],
  )
})

test("the balancer of compose.yaml is the seed's: its ports, its ping-ack, drawn demands", () => {
  const config = composeConfig()
  assert.deepEqual(
    [config.listen, config.registration.listen, config.admin.listen],
    [5252, 9797, 9494].map((port) => ({ host: "0.0.0.0", port })),
  )
  assert.equal(config.checks.kind, "tcp")
  assert.equal(config.checks.intervalMs, 100_000)
  assert.equal(config.demand.mode, "simulation")
  assert.equal(config.response.backendHeader, true)
})

test("only private networks and the container itself may announce and read", () => {
  const { registration, admin } = composeConfig()
  const networks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
  assert.deepEqual(registration.allow, networks)
  assert.deepEqual(admin.allow, ["127.0.0.0/8", "::1/128", ...networks])
  assert.deepEqual(admin.hosts, ["front", front.container_name])
})

test("what announces itself shows a token that compose asks for", () => {
  assert.equal(composeConfig().registration.token, "of-the-test")
  const withoutToken = loadConfig(join(root, "deploy/linebacker.yaml"), { policies, env: {} })
  assert.ok(!withoutToken.ok, "the balancer does not start without one")
  for (const [name, { environment }] of Object.entries(compose.services)) {
    // With `:?` compose refuses to start anything while it is empty, and says why.
    assert.match(environment?.["LINEBACKER_TOKEN"] ?? "", /^\$\{LINEBACKER_TOKEN:\?.+\}$/, name)
  }
})

test("deploy.sh makes a token once, which no other user can read, and takes one that is given", (t) => {
  const folder = folderOfPrograms(t, { docker: engine, npm: "" })
  // A checkout of its own: the token is kept beside deploy.sh.
  const checkout = join(folder, "checkout")
  mkdirSync(checkout)
  copyFileSync(join(root, "deploy.sh"), join(checkout, "deploy.sh"))
  const run = (env: Readonly<Record<string, string>>): SpawnSyncReturns<string> =>
    spawnSync("/bin/bash", [join(checkout, "deploy.sh")], {
      env: { PATH: `${folder}:/usr/bin:/bin`, ...env },
      encoding: "utf8",
    })
  const file = join(checkout, ".env")
  assert.equal(run({ LINEBACKER_TOKEN: "given" }).status, 0)
  assert.ok(!existsSync(file))
  assert.equal(run({}).status, 0)
  const made = readFileSync(file, "utf8")
  assert.match(made, /^LINEBACKER_TOKEN=[0-9a-f]{48}\n$/)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(run({}).status, 0)
  assert.equal(readFileSync(file, "utf8"), made)
})

test("the balancer is started with the file that is mounted", () => {
  assert.equal(front.command[0], "serve")
  const { values } = parseCommandLine(serve, front.command.slice(1))
  assert.deepEqual(front.volumes, [`./deploy/linebacker.yaml:${String(values["config"])}:ro,z`])
})

for (const [name, service] of Object.entries(backends)) {
  test(`${name} announces itself under its name, and listens where its port leads`, () => {
    assert.equal(service.command[0], "backend")
    const { values } = parseCommandLine(backend, service.command.slice(1))
    assert.equal(values["id"], name)
    assert.equal(values["seed"], name.slice("bs".length))
    assert.equal(values["port"], `0.0.0.0:${service.ports[0]?.split(":").at(-1)}`)
    assert.equal(values["announce"], `http://front:${composeConfig().registration.listen.port}`)
    assert.equal(service.environment?.["HEALTH_URL"], "http://127.0.0.1:8080/healthz")
    assert.deepEqual(service.depends_on, ["front"])
  })
}

test("every container is one image, comes back when it dies, and may end in its own time", () => {
  for (const service of Object.values(compose.services)) {
    assert.equal(service.image, front.image)
    assert.equal(service.restart, "unless-stopped")
  }
  const graceMs = Number.parseInt(front.stop_grace_period, 10) * 1_000
  assert.ok(graceMs > composeConfig().timeouts.drainMs, "Docker kills the balancer while it drains")
})

test("what compose.yaml builds with, the Dockerfile knows, with the same base", () => {
  const declared = dockerfile.filter(({ name }) => name === "ARG").map(({ words }) => words.join(" "))
  for (const [name, value] of Object.entries(front.build?.args ?? {})) {
    const fallback = /:-(.*)\}$/.exec(value)?.[1]
    assert.ok(declared.includes(fallback === "" ? name : `${name}=${fallback}`), `${name}: ${value}`)
  }
})

test("every path that the Dockerfile copies is there, and .dockerignore lets it through", () => {
  const letThrough = read(".dockerignore")
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1))
  const copied = dockerfile
    .filter(({ name, words }) => name === "COPY" && !words.some((word) => word.startsWith("--from=")))
    .flatMap(({ words }) => words.slice(0, -1))
  assert.deepEqual(copied.toSorted(), letThrough.toSorted())
  for (const path of copied) assert.ok(existsSync(join(root, path)), path)
})

test("the last stage takes nothing but what the first one made, and runs without root", () => {
  const last = dockerfile.slice(dockerfile.findLastIndex(({ name }) => name === "FROM"))
  const copied = last.filter(({ name }) => name === "COPY").map(({ words }) => words.slice(0, 2).join(" "))
  assert.deepEqual(
    copied,
    ["node_modules", "package.json", "bin", "src"].map((path) => `--from=dependencies /app/${path}`),
  )
  const user = last.find(({ name }) => name === "USER")?.words[0]
  assert.match(user ?? "", /^[1-9][0-9]*:[1-9][0-9]*$/)
})

test("the health check asks HEALTH_URL: well with 2xx, ill with anything else", async () => {
  const check = dockerfile.find(({ name }) => name === "HEALTHCHECK")?.words ?? []
  const [program, ...args] = JSON.parse(check.slice(check.indexOf("CMD") + 1).join(" ")) as string[]
  assert.equal(program, "node")
  for (const [status, exitCode] of [
    [200, 0],
    [503, 1],
  ]) {
    const server = createServer((_, response) => void response.writeHead(status!).end())
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as { readonly port: number }
    assert.equal(await exitCodeOf(args, `http://127.0.0.1:${port}/healthz`), exitCode)
    server.close()
  }
  assert.equal(await exitCodeOf(args, "http://127.0.0.1:1/healthz"), 1)
})

test("deploy.sh is Bash, helps, and knows what it does not know", () => {
  assert.equal(spawnSync("bash", ["-n", "deploy.sh"], { cwd: root }).status, 0)
  const help = deploy({}, "--help")
  assert.equal(help.status, 0)
  assert.match(help.stdout, /--docker.*\n.*--local/)
  for (const words of [["--nope"], ["--local", "--docker"]]) {
    const wrong = deploy({}, ...words)
    assert.equal(wrong.status, 2)
    assert.match(wrong.stderr, /^Usage: /)
  }
})

const engine = "exit 0"
const noEngine = "exit 1"
const noPlugin = '[ "$1" = info ]'

for (const { what, words = [], docker, dockerCompose, runs } of [
  { what: "an engine", docker: engine, runs: "docker compose up --build" },
  { what: "an engine and --local", words: ["--local"], docker: engine, runs: "npm start" },
  {
    what: "an engine and old compose",
    docker: noPlugin,
    dockerCompose: true,
    runs: "docker-compose up --build",
  },
  { what: "an engine without compose", docker: noPlugin, runs: "npm start" },
  { what: "an engine without compose and --docker", words: ["--docker"], docker: noPlugin },
  { what: "a client without an engine", docker: noEngine, dockerCompose: true, runs: "npm start" },
  { what: "no Docker", runs: "npm start" },
  { what: "no Docker and --docker", words: ["--docker"] },
] as readonly {
  readonly what: string
  readonly words?: readonly string[]
  readonly docker?: string
  readonly dockerCompose?: true
  /** Without it, deploy.sh fails and says what helps. */
  readonly runs?: string
}[]) {
  test(`deploy.sh with ${what} ${runs === undefined ? "fails" : `runs ${runs}`}`, (t) => {
    const bin = folderOfPrograms(t, {
      npm: "",
      ...(docker === undefined ? {} : { docker }),
      ...(dockerCompose ? { "docker-compose": "" } : {}),
    })
    const { status, stdout, stderr } = deploy({ PATH: bin }, ...words)
    if (runs === undefined) {
      assert.equal(status, 1)
      assert.match(stderr, /^deploy\.sh: .*--local/)
    } else {
      assert.equal(status, 0, stderr)
      assert.equal(stdout.trimEnd().split("\n").at(-1), runs)
    }
  })
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8")
}

function composeConfig(): Config {
  const config = loadConfig(join(root, "deploy/linebacker.yaml"), {
    policies,
    env: { LINEBACKER_TOKEN: "of-the-test" },
  })
  assert.ok(config.ok, JSON.stringify(config))
  return config.value
}

function exitCodeOf(args: readonly string[], url: string): Promise<number | null> {
  const { promise, resolve } = Promise.withResolvers<number | null>()
  const child = spawn(process.execPath, args, { env: { ...process.env, HEALTH_URL: url }, stdio: "ignore" })
  child.on("exit", resolve)
  return promise
}

function deploy(env: Readonly<Record<string, string>>, ...words: string[]): SpawnSyncReturns<string> {
  return spawnSync("/bin/bash", [join(root, "deploy.sh"), ...words], {
    cwd: tmpdir(),
    env: { ...process.env, LINEBACKER_TOKEN: "given", ...env },
    encoding: "utf8",
  })
}

/** A PATH with these programs, which print how they were called, and what deploy.sh itself needs. */
function folderOfPrograms(t: TestContext, programs: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "linebacker-deploy-"))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, script] of Object.entries({ ...programs, dirname: 'exec /usr/bin/dirname "$@"' })) {
    const says = name === "dirname" ? "" : `echo "${name} $*"\n`
    writeFileSync(join(folder, name), `#!/bin/bash\n${says}${script}\n`, { mode: 0o755 })
  }
  return folder
}
