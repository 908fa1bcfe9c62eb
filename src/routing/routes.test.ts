import assert from "node:assert/strict"
import { test } from "node:test"
import * as fc from "fast-check"
import { seeded } from "../core/rng.ts"
import { hashOf, templateBytesMax, TemplateWriter } from "./route-template.ts"
import {
  coversRule,
  learnedRoutesDefault,
  RouteBook,
  RouteFinder,
  routeName,
  routePathError,
  type RouteRule,
} from "./routes.ts"

const writer = new TemplateWriter()

function templateOf(method: string, path: string): string {
  const bytes = Buffer.from(path, "latin1")
  writer.write(method, bytes, 0, bytes.length)
  const template = writer.bytes.subarray(0, writer.length)
  if (template.length > 0) assert.equal(writer.hash, hashOf(template))
  return Buffer.from(template).toString("latin1")
}

/** The route of a request, found among other bytes as in a head. */
function find(finder: RouteFinder, method: string, path: string, host = ""): number {
  const bytes = Buffer.from(`..${path}..${host}..`, "latin1")
  const hostStart = path.length + 4
  return finder.find(method, bytes, 2, 2 + path.length, hostStart, hostStart + host.length)
}

function rule(path: string, more: Partial<RouteRule> = {}): RouteRule {
  return { name: path, method: undefined, host: undefined, path, ...more }
}

function list(rules: readonly RouteRule[], learned: readonly string[] = []) {
  return { version: 1, rules, learned }
}

test("segments that name a thing become a star, and words stay", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/", "/"],
    ["", "/"],
    ["?a=/1", "/"],
    ["/users", "/users"],
    ["/users/", "/users"],
    ["/users?id=7", "/users"],
    ["/users/7", "/users/*"],
    ["/users/7/orders/2024-05-01", "/users/*/orders/*"],
    ["/users/0190163d-8694-739b-aea5-966c26f8ad91/", "/users/*"],
    ["/blobs/deadbeef01", "/blobs/*"],
    ["/facade/defaced", "/facade/defaced"],
    ["/v1/models", "/v1/models"],
    ["/apis/apps/v1beta1/pods", "/apis/apps/v1beta1/pods"],
    ["/v2/projects:list", "/v2/projects:list"],
    ["/watch/dQw4w9WgXcQ", "/watch/*"],
    ["/orders/order-12345", "/orders/*"],
    ["/find/hello%20world", "/find/*"],
    ["/people/ada@example.org", "/people/*"],
    [`/files/${"a".repeat(33)}`, "/files/*"],
    [`/files/${"a".repeat(32)}`, `/files/${"a".repeat(32)}`],
    ["/a/b/c/d/e/f", "/a/b/c/d/e/f"],
    ["/a/b/c/d/e/f/", "/a/b/c/d/e/f"],
    ["/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/**"],
    ["//", "/"],
    ["//a", "//a"],
    ["/a//", "/a/"],
  ]
  for (const [path, expected] of cases) assert.equal(templateOf("GET", path), `GET ${expected}`, path)
  assert.equal(templateOf("OPTIONS", "*"), "OPTIONS *")
  assert.equal(templateOf("M".repeat(33), "/"), "")
})

test("no path is too long, deep or odd for a template", () => {
  const path = fc.array(
    fc.constantFrom("/", "a", "1", "?", "%", "-", "é", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(path, (parts) => {
      const template = templateOf("GET", `/${parts.join("")}`)
      assert.ok(template.length <= templateBytesMax)
      assert.ok(template.startsWith("GET /"))
      // What is a template already is its own template.
      if (!template.includes("**") && !template.endsWith("/"))
        assert.equal(templateOf("GET", template.slice(4)).replaceAll("*", ""), template.replaceAll("*", ""))
    }),
  )
})

test("rules are matched in order, before what was learned", () => {
  const finder = new RouteFinder(
    list(
      [
        rule("/users/*", { method: "GET" }),
        rule("/users/*"),
        rule("/files/**"),
        rule("/chat", { host: "ai.example.org" }),
        rule("/chat", { host: "*.example.org" }),
        rule("/"),
      ],
      ["GET /users/*", "GET /chat"],
    ),
  )
  const cases: readonly (readonly [string, string, string, number])[] = [
    ["GET", "/users/ada", "", 1],
    ["GET", "/users/ada?x=/y", "", 1],
    ["GET", "/users/ada/", "", 1],
    ["PUT", "/users/ada", "", 2],
    ["GET", "/users", "", 0],
    ["GET", "/users/", "", 0],
    ["GET", "/users/ada/x", "", 0],
    ["GET", "/files", "", 3],
    ["GET", "/files/a/b/c", "", 3],
    ["GET", "/filesystem", "", 0],
    ["GET", "/chat", "ai.example.org", 4],
    ["GET", "/chat", "AI.Example.org:8080", 4],
    ["GET", "/chat", "x.example.org", 5],
    ["GET", "/chat", "example.org", 8],
    ["GET", "/chat", "xexample.org", 8],
    ["GET", "/chat", "[::1]:80", 8],
    ["GET", "/", "", 6],
    ["GET", "", "", 0],
  ]
  for (const [method, path, host, expected] of cases) {
    assert.equal(find(finder, method, path, host), expected, `${method} ${host}${path}`)
  }
})

test("a request that comes again and again is of the route that it was of at first", () => {
  const rules = [rule("/users/*", { method: "PUT" }), rule("/files/**")]
  const learned = ["GET /users/*", "GET /users", "HEAD /users"]
  const segments = fc.constantFrom("users", "files", "7", "ada", "x")
  const target = fc.tuple(
    fc.constantFrom("GET", "PUT", "HEAD"),
    fc.array(segments, { minLength: 1, maxLength: 2 }).map((parts) => `/${parts.join("/")}`),
    fc.constantFrom("", "/", "?q=1"),
  )
  fc.assert(
    fc.property(fc.array(target, { minLength: 1, maxLength: 40 }), (requests) => {
      const finder = new RouteFinder(list(rules, learned))
      for (const [method, path, end] of [...requests, ...requests, ...requests]) {
        const fresh = new RouteFinder(list(rules, learned))
        assert.equal(find(finder, method, path + end), find(fresh, method, path + end), `${method} ${path}`)
      }
    }),
    { seed: 1, numRuns: 200 },
  )
})

test("a request that came before is of its new route as soon as the list is another", () => {
  const finder = new RouteFinder(list([], ["GET /users"]))
  for (let i = 0; i < 3; i++) assert.equal(find(finder, "GET", "/users"), 1)
  finder.replace(list([rule("/files")], ["GET /users"]))
  for (let i = 0; i < 3; i++) assert.equal(find(finder, "GET", "/users"), 2)
  finder.replace(list([rule("/users")]))
  assert.equal(find(finder, "GET", "/users"), 1)
  finder.replace(list([]))
  assert.equal(find(finder, "GET", "/users"), 0)
})

test("the same target is of another route for another host, however often it came", () => {
  const finder = new RouteFinder(list([rule("/chat", { host: "a.example" }), rule("/chat")]))
  for (let i = 0; i < 4; i++) {
    assert.equal(find(finder, "GET", "/chat", "a.example"), 1)
    assert.equal(find(finder, "GET", "/chat", "b.example"), 2)
  }
})

test("a rule for a host holds for every spelling of it", () => {
  for (const host of ["shop.example", "shop.example.", "Shop.Example"]) {
    const finder = new RouteFinder(list([rule("/**", { host }), rule("/**", { host: `*.${host}` })]))
    for (const spelling of [
      "shop.example",
      "SHOP.example.",
      "shop.example.:8080",
      "sho%70.example",
      "shop.example%2e:80",
    ])
      assert.equal(find(finder, "GET", "/", spelling), 1, spelling)
    for (const spelling of ["a.shop.example", "A.b.Shop.Example.:1", "a%2Eshop.example"])
      assert.equal(find(finder, "GET", "/", spelling), 2, spelling)
    for (const other of [
      "",
      ".",
      "shop.example..",
      "xshop.example",
      "shop.example.x",
      ".shop.example:80",
      `${"a.".repeat(200)}x`,
    ])
      assert.notEqual(find(finder, "GET", "/", other), 1, other)
    assert.equal(find(finder, "GET", "/", `${"a".repeat(300)}.shop.example`), 0)
  }
  const literal = new RouteFinder(list([rule("/**", { host: "[2001:DB8::1]" })]))
  for (const spelling of ["[2001:db8::1]", "[2001:db8:0:0:0::1]:443"])
    assert.equal(find(literal, "GET", "/", spelling), 1, spelling)
  assert.equal(find(literal, "GET", "/", "[2001:db8::2]"), 0)
})

test("a learned route is found by its template, and what is not is counted", () => {
  const finder = new RouteFinder(list([rule("/x")], ["GET /users/*", "POST /users"]))
  assert.equal(find(finder, "GET", "/users/17"), 2)
  assert.equal(find(finder, "GET", "/users/0190163d8694"), 2)
  assert.equal(find(finder, "POST", "/users"), 3)
  assert.equal(find(finder, "PUT", "/users"), 0)
  assert.equal(find(finder, "GET", "/orders/1"), 0)
  assert.equal(find(finder, "GET", "/orders/2"), 0)
  assert.deepEqual(
    new Map(finder.takeUnknown()),
    new Map([
      ["PUT /users", 1],
      ["GET /orders/*", 2],
    ]),
  )
  assert.deepEqual(finder.takeUnknown(), [])
})

test("routes keep their numbers when more are learned", () => {
  const book = new RouteBook([rule("/x")])
  const finder = new RouteFinder(book.list)
  const learn = (paths: readonly string[]): void => {
    for (let call = 0; call < 10; call++) {
      for (let i = 0; i < 20; i++) for (const path of paths) find(finder, "GET", path)
      if (book.adopt(finder.takeUnknown())) finder.replace(book.list)
    }
  }
  learn(["/a", "/b"])
  const [a, b] = [find(finder, "GET", "/a"), find(finder, "GET", "/b")]
  learn(["/c", "/d", "/a"])
  assert.deepEqual([find(finder, "GET", "/a"), find(finder, "GET", "/b")], [a, b])
  assert.equal(new Set(["/a", "/b", "/c", "/d", "/x"].map((path) => find(finder, "GET", path))).size, 5)
  assert.equal(routeName(book.list, a), "GET /a")
  assert.deepEqual(
    [routeName(book.list, 0), routeName(book.list, 1), routeName(book.list, 99)],
    ["", "/x", ""],
  )
})

test("a flood of random paths neither becomes routes nor hides those that come again", () => {
  // 2 000 paths a call that never repeat, against 40 requests of two real routes.
  const rng = seeded(1)
  const book = new RouteBook()
  const finder = new RouteFinder(book.list)
  for (let call = 0; call < 60; call++) {
    for (let i = 0; i < 2_000; i++) {
      const word = Array.from({ length: 8 }, () => String.fromCharCode(97 + rng.below(26))).join("")
      find(finder, "GET", `/${word}`)
      if (i % 50 === 0) find(finder, "GET", i % 100 === 0 ? "/real" : `/real/${i}`)
    }
    if (book.adopt(finder.takeUnknown())) finder.replace(book.list)
  }
  assert.deepEqual(book.list.learned.toSorted(), ["GET /real", "GET /real/*"])
})

test("a client that repeats made-up paths cannot take all places soon, and the last only with a large share", () => {
  const book = new RouteBook([], 8)
  const many = Array.from({ length: 1_000 }, (_, i) => [`GET /evil/${i}`, 5] as const)
  for (let call = 0; call < 5; call++) book.adopt(many)
  assert.equal(book.list.learned.length, 0, "each has a thousandth, and 1 / 32 is needed")

  const few = Array.from({ length: 7 }, (_, i) => [`GET /own/${i}`, 100] as const)
  for (let call = 0; call < 30; call++) book.adopt(few)
  const taken = book.list.learned.length
  assert.ok(taken <= 7)
  // A real route with half of what is left gets a place as long as there is one.
  for (let call = 0; call < 300; call++)
    book.adopt([
      ["GET /real", 60],
      ["GET /other", 40],
    ])
  assert.ok(book.list.learned.includes("GET /real"))
})

test("the list grows up to its bound, and then what is new is route 0", () => {
  const book = new RouteBook([], 3)
  for (let call = 0; call < 400; call++) {
    book.adopt(Array.from({ length: 6 }, (_, i) => [`GET /r${"abcdef"[i]}`, 2 ** (6 - i) * 10] as const))
  }
  assert.equal(book.list.learned.length, 3)
  assert.equal(book.adopt([["GET /ra", 1e6]]), false)
  assert.ok(learnedRoutesDefault === 64)
})

test("a template that is seldom, or was seen in one burst, is no route", () => {
  const book = new RouteBook()
  book.adopt([["GET /burst", 10_000]])
  for (let call = 0; call < 100; call++) book.adopt(call % 10 === 0 ? [["GET /seldom", 1]] : [])
  assert.deepEqual(book.list.learned, [])
})

test("says what is wrong with the path of a rule", () => {
  for (const path of ["/", "/a/*/b", "/a/**", "/**"]) assert.equal(routePathError(path), undefined, path)
  for (const path of ["a", "", "/a?b", "/a b", "/a*", "/a/**/b", "/***"])
    assert.ok(routePathError(path), path)
})

test("a rule that covers another matches whatever that matches, and one that does not leaves something to it", () => {
  const covering: readonly (readonly [RouteRule, RouteRule])[] = [
    [rule("/**"), rule("/", { method: "GET", host: "a.example" })],
    [rule("/files/**"), rule("/files")],
    [rule("/files/**"), rule("/files/*/x/**")],
    [rule("/a/*"), rule("/a/b/")],
    [rule("/a", { host: "*.example" }), rule("/a", { host: "*.B.example" })],
  ]
  for (const [wide, narrow] of covering) {
    assert.ok(coversRule(wide, narrow), `${wide.path} ${narrow.path}`)
    assert.ok(!coversRule(narrow, wide), `${narrow.path} ${wide.path}`)
  }
  const part = fc.constantFrom("a", "b", "*")
  const path = fc
    .tuple(fc.array(part, { maxLength: 3 }), fc.boolean())
    .map(([parts, isOpen]) => `/${[...parts, ...(isOpen ? ["**"] : [])].join("/")}`)
  const rules = fc.record({
    path,
    method: fc.constantFrom(undefined, "GET"),
    host: fc.constantFrom(undefined, "*.x", "y.x"),
  })
  // All requests of up to four segments that these rules can tell apart.
  const paths = ["", "a", "b", "c"].flatMap((one) => [one, `${one}/a`, `${one}/b/c`, `${one}/a/a/b`])
  const hosts = ["x", "y.x", "z.x"]
  const requests = ["GET", "PUT"].flatMap((method) =>
    paths.flatMap((one) => hosts.map((host) => [method, `/${one}`, host] as const)),
  )
  fc.assert(
    fc.property(rules, rules, (one, other) => {
      const first = new RouteFinder(list([{ name: "", ...one }]))
      const second = new RouteFinder(list([{ name: "", ...other }]))
      if (!coversRule(one, other)) return
      for (const [method, target, host] of requests) {
        const isIn = find(second, method, target, host) === 1
        assert.ok(!isIn || find(first, method, target, host) === 1, `${method} ${target} ${host}`)
      }
    }),
    { seed: 1, numRuns: 2_000 },
  )
})
