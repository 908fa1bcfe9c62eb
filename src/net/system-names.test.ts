import assert from "node:assert/strict"
import { test } from "node:test"
import { candidatesOf, parseHosts, parseNameSources, parseResolvConf } from "./system-names.ts"

test("hosts: names in any case, several per line and several lines per name; what is no address is passed over", () => {
  const hosts = parseHosts(
    "# comment\n127.0.0.1 localhost\n::1 localhost ip6 # more\n\n10.0.0.1\tApp.Internal. app\r\n" +
      "10.0.0.2 app.internal\n10.0.0.2 app.internal\nnonsense app\nfe80::1%lo0 link\n10.0.0.3",
  )
  assert.deepEqual(Object.fromEntries(hosts), {
    localhost: ["127.0.0.1", "::1"],
    ip6: ["::1"],
    "app.internal": ["10.0.0.1", "10.0.0.2"],
    app: ["10.0.0.1"],
    link: ["fe80::1%lo0"],
  })
})

test("resolv.conf: the last search or domain counts, options are bounded, all else is passed over", () => {
  assert.deepEqual(parseResolvConf(""), {
    search: [],
    ndots: 1,
    timeoutSeconds: undefined,
    attempts: undefined,
  })
  const text =
    "; comment\nnameserver 10.0.0.1\ndomain a.example\nsearch b.example c.example.\n" +
    "options ndots:5 edns0\noptions timeout:1 attempts:3\n"
  assert.deepEqual(parseResolvConf(text), {
    search: ["b.example", "c.example"],
    ndots: 5,
    timeoutSeconds: 1,
    attempts: 3,
  })
  const { search } = parseResolvConf("nameserver 10.0.0.1", "web.corp.example")
  assert.deepEqual(search, ["corp.example"], "the domain of this machine")
  assert.deepEqual(parseResolvConf("search .", "web.corp.example").search, [])
  assert.deepEqual(parseResolvConf("", "web").search, [])
  const { attempts, ndots, timeoutSeconds } = parseResolvConf("options ndots:99 timeout:99 attempts:0")
  assert.deepEqual([ndots, timeoutSeconds, attempts], [15, 30, 1])
})

test("a name is completed by the search list: before it is tried as it is when it has fewer dots than ndots", () => {
  const conf = { ...parseResolvConf(""), search: ["ns.svc.cluster.local", "cluster.local"], ndots: 2 }
  assert.deepEqual(candidatesOf("app", conf), ["app.ns.svc.cluster.local", "app.cluster.local", "app"])
  assert.deepEqual(candidatesOf("a.b.c", conf), [
    "a.b.c",
    "a.b.c.ns.svc.cluster.local",
    "a.b.c.cluster.local",
  ])
  assert.deepEqual(candidatesOf("app.", conf), ["app"], "a whole name is no other")
})

test("nsswitch.conf: the sources of hosts without the actions between them; files and dns where it says nothing", () => {
  assert.deepEqual(parseNameSources(""), ["files", "dns"])
  assert.deepEqual(
    parseNameSources("passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns # x\n"),
    ["files", "mdns4_minimal", "dns"],
  )
})
