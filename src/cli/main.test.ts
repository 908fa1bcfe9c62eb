import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { test } from "node:test"
import { run, scratch } from "../../test/support/command-line.ts"
import { isReplica, policyDefault, type PolicyName, policyNames } from "../policies/index.ts"
import { commands as entries } from "./commands.ts"

const { folder, file } = scratch()

const commands = await Promise.all(entries.map(async ({ load, summary }) => ({ ...(await load()), summary })))

test("every command is found by its own name", () => {
  assert.deepEqual(
    commands.map(({ name }) => name),
    entries.map(({ name }) => name),
  )
})

test("help lists every command with its summary", async () => {
  for (const word of ["--help", "-h", "help"]) {
    const { code, out, err } = await run(word)
    assert.equal(code, 0)
    assert.equal(err, "")
    for (const { name, summary } of commands) {
      assert.ok(
        out.split("\n").some((line) => line.includes(name) && line.endsWith(summary)),
        name,
      )
    }
  }
})

test("every command's help names every option it reads", async () => {
  for (const command of commands) {
    const { code, out } = await run(command.name, "--help")
    assert.equal(code, 0)
    assert.match(out, new RegExp(`Usage: linebacker ${command.name}`))
    for (const [name, { short }] of Object.entries(command.options)) {
      assert.ok(
        out.includes(short === undefined ? `    --${name}` : `-${short}, --${name}`),
        `${command.name} --${name}`,
      )
    }
  }
})

test("no two commands share a name, and no two options of a command a letter", () => {
  assert.equal(new Set(commands.map(({ name }) => name)).size, commands.length)
  for (const { name, options } of commands) {
    const letters = ["h", ...Object.values(options).flatMap(({ short }) => short ?? [])]
    assert.equal(new Set(letters).size, letters.length, name)
  }
})

test("the version is the package's", async () => {
  const { code, out } = await run("--version")
  assert.equal(code, 0)
  assert.match(out, /^linebacker \d+\.\d+\.\d+/)
})

test("wrong use is exit code 2, with a suggestion where one is near, and nothing on the output", async () => {
  const cases: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [["srve"], /no command "srve"; did you mean "serve"\?\nTry: linebacker --help/],
    [["fly"], /no command "fly"\n/],
    [["--verbose"], /"--verbose"/],
    [["validate"], /linebacker validate: which file\?\nTry: linebacker validate --help/],
    [["validate", "--jsn", "x"], /no option --jsn; did you mean "--json"\?/],
    [["validate", "--json=yes", "x"], /--json/],
    [["validate", "-z", "x"], /-z/],
    [["validate", "a.yaml", "b.yaml"], /unexpected "b.yaml"/],
    [["serve", "--workers"], /--workers/],
    [["serve", "now"], /unexpected "now"/],
  ]
  for (const [words, message] of cases) {
    const { code, out, err } = await run(...words)
    assert.equal(code, 2, words.join(" "))
    assert.equal(out, "")
    assert.match(err, message)
  }
  assert.equal((await run()).code, 2)
})

test("every command refuses what it cannot read of each of its options, by the option's name, with exit code 2", async () => {
  for (const { name, options } of commands) {
    for (const [option, { type, short }] of Object.entries(options)) {
      const forms = type === "string" ? [[`--${option}`]] : [[`--${option}=yes`]]
      if (type === "string" && short !== undefined) forms.push([`-${short}`])
      for (const words of forms) {
        const { code, out, err } = await run(name, ...words)
        assert.equal(code, 2, `${name} ${words.join(" ")}`)
        assert.equal(out, "")
        assert.ok(err.startsWith(`linebacker ${name}: `) && err.includes(`--${option}`), err)
        assert.ok(err.endsWith(`Try: linebacker ${name} --help\n`), err)
      }
    }
    const { code, err } = await run(name, "--no-such-option")
    assert.equal(code, 2)
    assert.ok(err.includes("--no-such-option"), err)
  }
})

test("a value that an option cannot have is exit code 2 and names the option, before any port is opened", async () => {
  const cases: readonly (readonly string[])[] = [
    ["serve", "--listen", "nowhere"],
    ["serve", "--registration", "1.2.3.4:99999"],
    ["serve", "--admin", ":x"],
    ["serve", "--policy", "prise"],
    ["serve", "--workers", "0"],
    ["serve", "--seed", "-1"],
    ["serve", "--to", "http://a.example/path"],
    ["demo", "--backends", "0"],
    ["demo", "--backends", "three"],
    ["demo", "--backend-port", "65536"],
    ["demo", "--seed", "1.5"],
    ["demo", "--workers", "65"],
    ["demo", "--policy", "prise"],
    ["backend", "--port", "99999"],
    ["backend", "--announce", "127.0.0.1:9797"],
    ["backend", "--announce", "localhost:9797"],
    ["backend", "--capacity", "compute=much"],
    ["backend", "--capacity", "compute=1,compute=2"],
    ["backend", "--capacity", "compute=0,storage=0"],
    ["backend", "--id", "a/b"],
    ["backend", "--id", ""],
    ["backend", "--speed", "0"],
    ["backend", "--seed", "-1"],
  ]
  for (const [command = "", option = "", value = ""] of cases) {
    const { code, out, err } = await run(command, `${option}=${value}`)
    assert.equal(code, 2, `${command} ${option} ${value}: ${err}`)
    assert.equal(out, "")
    assert.ok(err.includes(option), `${command} ${option} ${value}: ${err}`)
  }
})

test("a backend that cannot listen on an address says so, with how to choose another", async () => {
  const { code, err } = await run("backend", "--port", "192.0.2.1:5453")
  assert.equal(code, 1)
  assert.match(err, /^linebacker backend: cannot listen on 192\.0\.2\.1:5453: .*EADDRNOTAVAIL.*--port\n$/)
})

test("a policy that is misspelt is suggested", async () => {
  const { err } = await run("serve", "--policy", "prise")
  assert.match(err, /--policy: .*did you mean "price"/)
})

test("validate says that a file is valid", async () => {
  const path = file("good.yaml", "checks: {kind: http}\n")
  assert.deepEqual(await run("validate", path), { code: 0, out: `${path} is valid\n`, err: "" })
  assert.deepEqual(await run("validate", "--json", path), {
    code: 0,
    out: '{"valid":true,"problems":[],"advice":[]}\n',
    err: "",
  })
})

test("validate prints every problem, one per line with its place, and fails", async () => {
  const path = file("bad.yaml", "checks:\n  intervall: 1s\n  fall: 0\n")
  const { code, out, err } = await run("validate", path)
  assert.equal(code, 1)
  assert.equal(out, "")
  assert.deepEqual(err.trimEnd().split("\n"), [
    `${path}:2:3: checks.intervall: unknown key "intervall"; did you mean "interval"?`,
    `${path}:3:9: checks.fall: expected an integer from 1 to 100, found 0`,
  ])
})

test("validate names what has no effect in a valid file, and the file stays valid", async () => {
  const path = file("idle.yaml", "checks: {path: /up}\n")
  const { code, out, err } = await run("validate", path)
  assert.equal(code, 0)
  assert.equal(out, `${path} is valid\n`)
  assert.equal(err, `${path}:1:10: checks.path: has no effect, because checks.kind is tcp\n`)
})

test("validate --json gives the same as data", async () => {
  const path = file("bad.json.yaml", "checks: {fall: 0}\n")
  const { code, out } = await run("validate", path, "--json")
  assert.equal(code, 1)
  assert.deepEqual(JSON.parse(out), {
    valid: false,
    problems: [
      {
        place: path,
        line: 1,
        column: 16,
        path: "checks.fall",
        message: "expected an integer from 1 to 100",
        found: "0",
      },
    ],
    advice: [],
  })
})

test("validate fails on a file that is not there", async () => {
  const path = join(folder, "nowhere.yaml")
  assert.deepEqual(await run("validate", path), {
    code: 1,
    out: "",
    err: `${path}: cannot be read: there is no such file\n`,
  })
})

test("validate --schema prints the JSON Schema, policies and all", async () => {
  const { code, out } = await run("validate", "--schema")
  assert.equal(code, 0)
  const schema = JSON.parse(out) as {
    readonly properties: { readonly policy: { readonly anyOf: readonly { readonly enum?: string[] }[] } }
  }
  assert.ok(schema.properties.policy.anyOf[0]!.enum!.includes("price"))
})

test("serve refuses a wrong configuration before it opens a port, and names the flag", async () => {
  const path = file("serve.yaml", "seed: -1\n")
  const { code, out, err } = await run("serve", "-c", path, "--workers", "0", "-o", "nowhere")
  assert.notEqual(code, 0)
  assert.equal(out, "")
  assert.deepEqual(
    err
      .trimEnd()
      .split("\n")
      .map((line) => line.split(": ")[0]),
    [`${path}:1:7`, "--listen", "--workers"],
  )
})

test("the launcher runs the same program and passes its exit code on", () => {
  const launcher = join(import.meta.dirname, "..", "..", "bin", "linebacker")
  const launch = (...words: string[]) =>
    spawnSync(process.execPath, [launcher, ...words], { encoding: "utf8" })
  assert.match(launch("--help").stdout, /Usage: linebacker COMMAND/)
  assert.equal(launch("--help").status, 0)
  assert.equal(launch("fly").status, 2)
  assert.equal(launch("validate", join(folder, "nowhere.yaml")).status, 1)
})

test("policies are listed, shown one by one, and given as JSON", async () => {
  const list = await run("policies")
  assert.equal(list.code, 0)
  for (const name of policyNames) assert.match(list.out, new RegExp(`^${name} +[A-Za-z]`, "m"))
  assert.match(list.out, new RegExp(`^${policyDefault} .* The default\\.$`, "m"))
  const [own, replicas] = list.out.split("\nReplicas of other programs and papers, to compare with:\n")
  assert.match(own!, /^power-of-two +[A-Z]/m)
  assert.doesNotMatch(own!, /^power-of-two-caddy /m)
  assert.match(replicas!, /^power-of-two-caddy +[A-Z]/m)
  assert.match((await run("policies", "power-of-two-caddy")).out, /^It is a replica of another program/m)
  const mix = await run("policies", "mix")
  assert.match(mix.out, /^mix: .*\nIt looks at what a request needs\.\n {2}samples /)
  const json = JSON.parse((await run("policies", "--json")).out) as {
    policies: { name: PolicyName; isReplica: boolean }[]
  }
  assert.deepEqual(
    json.policies.map(({ name, isReplica }) => [name, isReplica]),
    policyNames.map((name) => [name, isReplica(name)]),
  )
  const wrong = await run("policies", "mixx")
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /there is no policy "mixx".*"mix"/)
})

test("the help of every command names the default policy that the program has", async () => {
  for (const name of ["serve", "demo", "spam"]) {
    const { out } = await run(name, "--help")
    const [, said] = /--policy\b[^\n]*(?:\n {10}[^\n]*)*?Default ([a-z-]+)\./.exec(out) ?? []
    assert.equal(said, policyDefault, name)
  }
})
