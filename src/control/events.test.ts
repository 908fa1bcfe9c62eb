import assert from "node:assert/strict"
import { test } from "node:test"
import { type BalancerEvent, Events, membershipEvents } from "./events.ts"
import { Registry } from "../membership/registry.ts"
import type { Snapshot } from "../membership/snapshot.ts"
import { resourcesDefault } from "../core/resources.ts"

test("a listener hears its kind, one of `event` hears all, and neither after it was taken back", () => {
  const events = new Events(assert.fail)
  const failures: string[] = []
  const all: string[] = []
  const off = events.on("failure", ({ where }) => failures.push(where))
  const offAll = events.on("event", ({ kind }) => all.push(kind))
  events.emit({ kind: "failure", where: "a", error: undefined })
  events.emit({ kind: "stopping" })
  off()
  off()
  events.emit({ kind: "failure", where: "b", error: undefined })
  offAll()
  events.emit({ kind: "stopped" })
  assert.deepEqual(failures, ["a"])
  assert.deepEqual(all, ["failure", "stopping", "failure"])
})

test("what a listener throws is told, and keeps no other listener from the event", () => {
  const thrown: unknown[] = []
  const events = new Events((error, { kind }) => thrown.push([error, kind]))
  const heard: string[] = []
  const mine = new Error("mine")
  events.on("stopping", () => {
    throw mine
  })
  events.on("stopping", () => heard.push("second"))
  events.on("event", () => heard.push("all"))
  events.emit({ kind: "stopping" })
  assert.deepEqual(thrown, [[mine, "stopping"]])
  assert.deepEqual(heard, ["second", "all"])
})

test("a function that listens twice hears twice, and once when one of them is taken back", () => {
  const events = new Events(assert.fail)
  let heard = 0
  const listener = (): void => void heard++
  const off = events.on("stopping", listener)
  events.on("stopping", listener)
  events.emit({ kind: "stopping" })
  assert.equal(heard, 2)
  off()
  events.emit({ kind: "stopping" })
  assert.equal(heard, 3)
})

test("changes of the membership are told with the state before and after, and nothing else is", () => {
  let slot = 0
  const registry = new Registry({
    resources: resourcesDefault,
    slots: { allocate: () => slot++, retire: () => {} },
    firstGeneration: 1,
  })
  const announce = (port: number): void => {
    const capacity = { compute: 1, storage: 1 }
    const lease = registry.register({ id: "a", address: { host: "127.0.0.1", port }, capacity }, 0)
    assert.ok(lease.ok)
  }
  let before: Snapshot = registry.snapshot
  const told = (): unknown[] => {
    const events: BalancerEvent[] = membershipEvents(before, registry.snapshot)
    before = registry.snapshot
    return events.map((event) =>
      event.kind === "membership" ? [event.id, event.generation, event.before, event.state] : event,
    )
  }
  announce(1)
  const { generation } = registry.snapshot.members[0]!
  assert.deepEqual(told(), [["a", generation, undefined, "probing"]])
  registry.checked(registry.snapshot.members[0]!.id, generation, { passed: true }, 0)
  assert.deepEqual(told(), [["a", generation, "probing", "serving"]])
  registry.renew("a", { capacity: { compute: 2 } }, 0)
  assert.deepEqual(told(), [])
  announce(2)
  assert.deepEqual(told(), [["a", generation + 1, "serving", "probing"]])
  registry.remove("a")
  assert.deepEqual(told(), [["a", generation + 1, "probing", undefined]])
})

test("what is no function is refused where it is handed in", () => {
  const events = new Events(() => {})
  assert.throws(() => events.on("event", "print" as never), TypeError)
})
