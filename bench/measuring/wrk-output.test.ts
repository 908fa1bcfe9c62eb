import assert from "node:assert/strict"
import { test } from "node:test"
import { parseWrk } from "./wrk-output.ts"

const output = (more = ""): string => `Running 3s test @ http://127.0.0.1:8080/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.30ms  196.41us   5.29ms   95.14%
    Req/Sec    49.38k     1.55k   51.90k    73.33%
  Latency Distribution
     50%  870.00us
     75%    1.33ms
     90%    1.43ms
     99%    1.88s 
  147395 requests in 3.01s, 29.80MB read
${more}Requests/sec:  48968.44
Transfer/sec:      9.93MB
`

test("requests, time, rate and percentiles are read, each unit as milliseconds or seconds", () => {
  assert.deepEqual(parseWrk(output()), {
    requests: 147_395,
    seconds: 3.01,
    perSecond: 48_968.44,
    p50Ms: 0.87,
    p99Ms: 1_880,
    faults: [],
  })
})

test("socket errors and refusing responses are faults, in wrk's own words", () => {
  const more = "  Socket errors: connect 0, read 3, write 0, timeout 12\n  Non-2xx or 3xx responses: 5\n"
  assert.deepEqual(parseWrk(output(more)).faults, [
    "Socket errors: connect 0, read 3, write 0, timeout 12",
    "Non-2xx or 3xx responses: 5",
  ])
})

test("errors that did not happen are no faults", () => {
  assert.deepEqual(parseWrk(output("  Socket errors: connect 0, read 0, write 0, timeout 0\n")).faults, [])
})

test("a message of wrk in place of its figures is an error that says it", () => {
  assert.throws(() => parseWrk("unable to connect to 127.0.0.1:1 Connection refused"), /unable to connect/)
})

test("a run without --latency is an error", () => {
  assert.throws(() => parseWrk(output().replace(/ +50%.*\n/, "")), /--latency/)
})
