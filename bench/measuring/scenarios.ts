/** What is measured, each at one or more numbers of connections. */
import { browserFields } from "./requests.ts"

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly path: string
  readonly connections: readonly number[]
  /** Field lines beside Host. */
  readonly fields: readonly string[]
  readonly tls: boolean
  /** Bytes of a request's body; 0 is a GET without one. */
  readonly uploadBytes: number
  /** Bytes of a response's body. */
  readonly bodyBytes: number
}

export const smallBody = "This is the answer of a backend.\n"
const kibibyte = 1_024
const mebibyte = 1_048_576

/** Files that the backends serve, by path. */
export const files = {
  "/10k": 10 * kibibyte,
  "/100k": 100 * kibibyte,
  "/1m": mebibyte,
} as const

const get = { path: "/small", fields: browserFields, tls: false, uploadBytes: 0, bodyBytes: smallBody.length }
const closing = [...browserFields, "Connection: close"]

export const scenarios: readonly Scenario[] = [
  {
    ...get,
    name: "small",
    title: "Small GETs with a browser's head, connections kept",
    connections: [1, 16, 64, 256],
  },
  {
    ...get,
    name: "bare",
    title: "Small GETs with Host only, connections kept",
    connections: [64],
    fields: [],
  },
  {
    ...get,
    name: "10k",
    title: "Responses of 10 KiB",
    path: "/10k",
    bodyBytes: files["/10k"],
    connections: [64],
  },
  {
    ...get,
    name: "100k",
    title: "Responses of 100 KiB",
    path: "/100k",
    bodyBytes: files["/100k"],
    connections: [64],
  },
  {
    ...get,
    name: "1m",
    title: "Responses of 1 MiB",
    path: "/1m",
    bodyBytes: files["/1m"],
    connections: [16],
  },
  {
    ...get,
    name: "upload",
    title: "Uploads of 1 MiB",
    path: "/upload",
    uploadBytes: mebibyte,
    connections: [16],
  },
  { ...get, name: "new", title: "A new connection for every small GET", connections: [64], fields: closing },
  { ...get, name: "tls", title: "Small GETs over TLS, connections kept", connections: [64], tls: true },
  {
    ...get,
    name: "tls-100k",
    title: "Responses of 100 KiB over TLS",
    path: "/100k",
    bodyBytes: files["/100k"],
    connections: [64],
    tls: true,
  },
  {
    ...get,
    name: "tls-new",
    title: "A new connection with a full TLS handshake for every small GET",
    connections: [64],
    fields: closing,
    tls: true,
  },
]

export function scenarioNamed(name: string): Scenario | undefined {
  return scenarios.find((scenario) => scenario.name === name)
}
