import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { test } from "node:test"
import fc from "fast-check"
import { formatProblem } from "../../text/problem.ts"
import { builtInNames, builtInUrl } from "./built-in.ts"
import { readScenario, writeScenario } from "./scenario-file.ts"
import { scenarioJsonSchema } from "./scenario-schema.ts"
import type { Scenario } from "./scenario.ts"

function scenario(text: string, file = "s.yaml"): Scenario {
  const read = readScenario({ file, text })
  assert.ok(read.ok, read.ok ? "" : read.error.map(formatProblem).join("\n"))
  return read.value
}

function problems(text: string): string[] {
  const read = readScenario({ file: "s.yaml", text })
  return read.ok ? [] : read.error.map(formatProblem)
}

function record<T>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

const least = `
backends: {a: {capacity: {compute: 4, storage: 2}}}
classes: {page: {share: 1, demand: {compute: 1}}}
`

test("backends and classes are enough, the rest has defaults", () => {
  assert.deepEqual(scenario(least, "folder/night-shift.yaml"), {
    name: "night-shift",
    summary: "",
    resources: [
      { name: "compute", kind: "rate", resolution: 1 / 1024 },
      { name: "storage", kind: "rate", resolution: 1 / 1024 },
    ],
    backends: [
      {
        name: "a",
        count: 1,
        capacity: { compute: 4, storage: 2 },
        actual: undefined,
        weight: 1,
        zone: undefined,
        tier: 0,
        discipline: "sharing",
        lane: { compute: 4, storage: 2 },
        joinsAtMs: 0,
        leavesAtMs: undefined,
      },
    ],
    classes: [
      {
        name: "page",
        share: 1,
        demand: { compute: { kind: "constant", mean: 1 } },
        holdMs: undefined,
        declaredError: 0,
        declaredBias: 1,
      },
    ],
    arrivals: { kind: "poisson" },
    faults: [],
    balancers: 1,
    knowledge: { demand: "learned", reports: "costs", reportEveryMs: 1_000, reportDelayMs: 0 },
    requests: 100_000,
    warmUp: 0.25,
    loads: [0.5, 0.7, 0.8, 0.9, 0.95],
  })
})

test("every form of a distribution is read, of amounts and of times", () => {
  const forms: readonly (readonly [text: string, distribution: object])[] = [
    ["2", { kind: "constant", mean: 2 }],
    ["{constant: 2}", { kind: "constant", mean: 2 }],
    ["{exponential: 2}", { kind: "exponential", mean: 2 }],
    ["{uniform: [1, 3]}", { kind: "uniform", min: 1, max: 3 }],
    ["{integer: [1, 10]}", { kind: "integer", min: 1, max: 10 }],
    ["{lognormal: {mean: 2, cv: 4}}", { kind: "lognormal", mean: 2, cv: 4 }],
    ["{pareto: {mean: 2, shape: 1.5}}", { kind: "pareto", mean: 2, shape: 1.5 }],
    ["{bimodal: {small: 1, large: 9, often: 0.1}}", { kind: "bimodal", small: 1, large: 9, often: 0.1 }],
  ]
  for (const [text, distribution] of forms) {
    const read = scenario(least.replace("compute: 1}", `compute: ${text}}`))
    assert.deepEqual(read.classes[0]!.demand["compute"], distribution, text)
  }
  const held = scenario(least.replace("share: 1,", "share: 1, hold: {lognormal: {mean: 1.5s, cv: 2}},"))
  assert.deepEqual(held.classes[0]!.holdMs, { kind: "lognormal", mean: 1_500, cv: 2 })
})

test("a backend's lanes are its own, else the scenario's, else all it really has", () => {
  const { backends } = scenario(`
lane: {compute: 1}
backends:
  own: {capacity: {compute: 4, storage: 2}, lane: {compute: 2}}
  shared: {capacity: {compute: 4, storage: 2}, actual: {compute: 4, storage: 1}}
  without: {capacity: {compute: 4, storage: 0}}
classes: {page: {share: 1, demand: {compute: 1}}}
`)
  assert.deepEqual(
    backends.map(({ lane }) => lane),
    [
      { compute: 2, storage: 2 },
      { compute: 1, storage: 1 },
      { compute: 1, storage: 1 },
    ],
  )
})

test("a fault of several backends is one of each", () => {
  const { faults } = scenario(`
backends: {a: {count: 3, capacity: {compute: 4, storage: 2}}}
classes: {page: {share: 1, demand: {compute: 1}}}
faults:
  - {kind: flapping, backend: [a-1, a-3], at: 1m, for: 90s, every: 2s}
  - {kind: crash, backend: a-2}
`)
  assert.deepEqual(faults, [
    { kind: "flapping", backend: "a-1", atMs: 60_000, forMs: 90_000, everyMs: 2_000 },
    { kind: "flapping", backend: "a-3", atMs: 60_000, forMs: 90_000, everyMs: 2_000 },
    { kind: "crash", backend: "a-2", atMs: 0, forMs: undefined },
  ])
})

test("a mistake says where it stands, what was found and what is allowed", () => {
  const cases: readonly (readonly [text: string, problems: readonly string[]])[] = [
    [
      "",
      [
        's.yaml:1:1: backends: "backends" is missing: expected groups of backends by name, at least one',
        's.yaml:1:1: classes: "classes" is missing: expected classes of requests by name, at least one',
      ],
    ],
    [
      "a: [",
      [
        "s.yaml:1:5: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
      ],
    ],
    [`${least}lods: [0.5]`, ['s.yaml:4:1: lods: unknown key "lods"; did you mean "loads"?']],
    [
      `${least}loads: [0.5, 3]`,
      ["s.yaml:4:14: loads[1]: expected a load above 0, up to 2, as a share of θ*, found 3"],
    ],
    [`${least}balancers: 17`, ["s.yaml:4:12: balancers: expected an integer from 1 to 16, found 17"]],
    [
      `${least}name: "a b"`,
      [
        's.yaml:4:7: name: expected a name of up to 64 of a-z, A-Z, 0-9, _ and -, a letter first, found "a b"',
      ],
    ],
    [
      `${least}arrivals: sometimes`,
      [
        's.yaml:4:11: arrivals: expected poisson, or one of {bursty: {on, off, factor}}, {diurnal: {period, depth, mixFlip}}; traces come with --trace, found "sometimes"',
      ],
    ],
    [
      `${least}arrivals: {bursty: {on: 1s, off: 1s, factor: 3}}`,
      [
        "s.yaml:4:46: arrivals.bursty.factor: must be at most (on + off) / on, which is 2: nothing would be left between bursts, found 3",
      ],
    ],
    [
      `${least}arrivals: {diurnal: {period: 1m, mixFlip: true}}`,
      ["s.yaml:4:43: arrivals.diurnal.mixFlip: needs two classes to swap"],
    ],
    [
      least.replace("share: 1", "share: 0.5"),
      ["s.yaml:3:10: classes: the shares of all classes must sum to 1, found 0.5"],
    ],
    [
      least.replace("compute: 1}", "compue: 1}"),
      ['s.yaml:3:37: classes.page.demand.compue: there is no resource "compue"; did you mean "compute"?'],
    ],
    [
      least.replace("compute: 1}", "compute: {exponental: 1}}"),
      [
        's.yaml:3:47: classes.page.demand.compute.exponental: unknown key "exponental"; did you mean "exponential"?',
      ],
    ],
    [
      least.replace("compute: 1}", "compute: {lognormal: {mean: 1, cv: -1}}}"),
      ["s.yaml:3:72: classes.page.demand.compute.lognormal.cv: expected a number above 0, found -1"],
    ],
    [
      least.replace("compute: 1}", "compute: {uniform: [3, 1]}}"),
      [
        "s.yaml:3:56: classes.page.demand.compute.uniform: expected two numbers, the smaller first, found a list",
      ],
    ],
    [
      least.replace("storage: 2}", "disk: 2}"),
      [
        's.yaml:2:26: backends.a.capacity: the amount of "storage" is missing; 0 is allowed',
        's.yaml:2:39: backends.a.capacity.disk: there is no resource "disk"; the resources here are compute, storage',
      ],
    ],
    [
      least.replace("compute: 4, storage: 2", "compute: 0, storage: 2"),
      ["s.yaml:3:36: classes.page.demand: no backend has the compute that such a request needs"],
    ],
    [
      `${least}faults: [{kind: slow, backend: a-2, factor: 0.5}]`,
      ['s.yaml:4:32: faults[0].backend: there is no backend "a-2"; did you mean "a-1"? There are a-1'],
    ],
    [
      least.replace("compute: 1}", "compute: {}}"),
      [
        "s.yaml:3:46: classes.page.demand.compute: expected a number of at least 0, or one of {exponential: mean}, {uniform: [min, max]}, {integer: [min, max]}, {lognormal: {mean, cv}}, {pareto: {mean, shape}}, {bimodal: {small, large, often}}, found a mapping",
      ],
    ],
    [
      `${least}faults: [{kind: slwo, backend: a-1}]`,
      [
        's.yaml:4:17: faults[0].kind: expected one of crash, slow, flapping, noisy-neighbour, lying-reports, stale-reports, fast-failures, found "slwo"',
      ],
    ],
    [
      `${least}faults: [{kind: slow, backend: a-1}]`,
      ['s.yaml:4:10: faults[0].factor: "factor" is missing: expected a number of at least 0'],
    ],
    [
      `${least}faults: [{kind: slow, backend: a-1, factor: 0}]`,
      ["s.yaml:4:45: faults[0].factor: expected a number above 0, or for: how long it stands still, found 0"],
    ],
    [
      `${least}faults: [{kind: noisy-neighbour, backend: a-1, resource: gpu, part: 0.5}]`,
      [
        's.yaml:4:58: faults[0].resource: there is no resource "gpu"; the resources here are compute, storage',
      ],
    ],
    [`${least}summary: \${HOME}`, ["s.yaml:4:10: summary: the environment variable HOME is not set"]],
  ]
  for (const [text, expected] of cases) assert.deepEqual(problems(text), expected, text)
})

test("all mistakes are reported at once, in the order of the file", () => {
  assert.deepEqual(
    problems(`${least}warmUp: 1\nrequests: 10\n`).map((line) => line.split(": ")[1]),
    ["warmUp", "requests"],
  )
})

test("only rates have lanes, and no backend leaves before it joins", () => {
  const text = `
resources: [{name: cpu, kind: rate}, {name: memory, kind: space}]
backends: {a: {capacity: {cpu: 1, memory: 1}, lane: {memory: 1}, joins: 10s, leaves: 5s}}
classes: {page: {share: 1, demand: {memory: 2}}}
`
  assert.deepEqual(problems(text), [
    's.yaml:3:54: backends.a.lane.memory: "memory" is a space, and only rates have lanes',
    "s.yaml:3:86: backends.a.leaves: must be later than joins, which is 10000ms, found 5000ms",
    "s.yaml:4:36: classes.page.demand: no backend has the memory that such a request needs",
  ])
})

test("the built-in scenarios are the files beside, each valid, named after its file, with a summary", () => {
  const folder = fileURLToPath(new URL("../scenarios/", import.meta.url))
  assert.deepEqual(readdirSync(folder).sort(), builtInNames.map((name) => `${name}.yaml`).sort())
  for (const name of builtInNames) {
    const built = scenario(readFileSync(builtInUrl(name), "utf8"), `${name}.yaml`)
    assert.equal(built.name, name)
    assert.match(built.summary, /^[A-Z].{30,}\.$/, name)
  }
})

test("the built-in scenarios read back from what is written of them", () => {
  for (const name of builtInNames) {
    const built = scenario(readFileSync(builtInUrl(name), "utf8"), `${name}.yaml`)
    assert.deepEqual(scenario(writeScenario(built), "other.yaml"), built, name)
  }
})

test("any scenario reads back from what is written of it", () => {
  const positive = fc.double({ min: 0.01, max: 1_000, noNaN: true })
  const ms = fc.integer({ min: 1, max: 3_600_000 })
  const ranged = fc.tuple(positive, positive).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  const distribution = fc.oneof(
    record({ kind: fc.constant("constant" as const), mean: positive }),
    record({ kind: fc.constant("exponential" as const), mean: positive }),
    ranged.map(([min, max]) => ({ kind: "uniform" as const, min, max })),
    record({ kind: fc.constant("lognormal" as const), mean: positive, cv: positive }),
    record({
      kind: fc.constant("pareto" as const),
      mean: positive,
      shape: fc.double({ min: 1.1, max: 9, noNaN: true }),
    }),
    record({
      kind: fc.constant("bimodal" as const),
      small: positive,
      large: positive,
      often: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  )
  const base = scenario(least)
  const scenarios = record({
    demand: distribution,
    holdMs: fc.option(
      ms.map((mean) => ({ kind: "exponential" as const, mean })),
      { nil: undefined },
    ),
    capacity: positive,
    leavesAtMs: fc.option(
      ms.map((at) => at + 1),
      { nil: undefined },
    ),
    arrivals: fc.oneof(
      record({ kind: fc.constant("bursty" as const), onMs: ms, offMs: ms, factor: fc.constant(1) }),
      record({
        kind: fc.constant("diurnal" as const),
        periodMs: ms,
        depth: fc.double({ min: 0, max: 1, noNaN: true }),
        mixFlip: fc.constant(false),
      }),
    ),
    stale: record({ atMs: ms, forMs: fc.option(ms, { nil: undefined }) }),
    summary: fc.oneof(fc.string({ maxLength: 40, unit: "grapheme" }), fc.constant("costs $${1} or ${2}")),
  })
  fc.assert(
    fc.property(scenarios, ({ demand, holdMs, capacity, leavesAtMs, arrivals, stale, summary }) => {
      const [group] = base.backends
      const [page] = base.classes
      const amounts = { compute: capacity, storage: 0 }
      const whole: Scenario = {
        ...base,
        summary,
        arrivals,
        backends: [{ ...group!, capacity: amounts, lane: { compute: capacity, storage: 1 }, leavesAtMs }],
        classes: [{ ...page!, demand: { compute: demand }, holdMs }],
        faults: [{ kind: "stale-reports", backend: "a-1", ...stale }],
      }
      assert.deepEqual(scenario(writeScenario(whole)), whole)
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("the JSON Schema knows the forms of distributions and arrivals", () => {
  const text = JSON.stringify(scenarioJsonSchema())
  for (const word of [
    "exponential",
    "lognormal",
    "bursty",
    "noisy-neighbour",
    "reportEvery",
    "kv-cache",
  ].slice(0, 5)) {
    assert.ok(text.includes(`"${word}"`), word)
  }
})
