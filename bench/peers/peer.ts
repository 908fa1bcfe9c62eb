/** What the benchmark asks of every peer that it compares. */
import type { Program } from "../measuring/processes.ts"

/** Where a peer is started. */
export interface Site {
  /** A folder of its own, empty at first. */
  readonly folder: string
  readonly cores: string
  /** Where it takes plain HTTP/1.1. */
  readonly port: number
  /** Where it takes HTTP/1.1 over TLS. */
  readonly tlsPort: number
  /** Ports of the backends on 127.0.0.1. */
  readonly backends: readonly number[]
  readonly certificate: Certificate
  /** Where npm peers are installed: a folder that has node_modules. */
  readonly modules: string
  /** Flags for Node.js in the balancer under test, for profiles. */
  readonly nodeFlags: readonly string[]
}

export interface Certificate {
  readonly certificate: string
  readonly key: string
  /** Both in one file. */
  readonly both: string
}

export interface Peer {
  readonly name: string
  /** What makes it available. */
  readonly install: string
  /** Whether it takes part in the scenarios over TLS. */
  readonly tls: boolean
  /** Undefined when it is not installed. */
  version(modules: string): string | undefined
  /** Writes its configuration and says how to run it. */
  program(site: Site): Promise<Program> | Program
  /** What has to be done once it runs; the result ends that again. */
  afterStart?(site: Site): Promise<() => Promise<void>>
}

/** Idle connections that every peer may keep to one backend, so that none has to open new ones under load. */
export const idlePerBackend = 512
/** Client connections that every peer must be able to hold. */
export const connectionsMax = 20_000
/** Seconds that every peer keeps an idle client connection. */
export const clientIdleSeconds = 600
