import type { BackendId } from "../core/backend.ts"
import type { NamedAmounts } from "../core/resources.ts"

/**
 * Where a member stands.
 *
 * - `probing`: announced, and no check has passed yet; gets no traffic
 * - `serving`: its lease is fresh and its checks pass
 * - `suspect`: renewals are late; gets traffic only when no member is serving
 * - `ejected`: its checks fail; gets no traffic
 * - `draining`: finishes what it has and gets nothing new
 */
export type MemberState = "probing" | "serving" | "suspect" | "ejected" | "draining"

export interface TcpAddress {
  /** An IP address without brackets, or a DNS name. */
  readonly host: string
  readonly port: number
}

export interface UnixAddress {
  /** Of a Unix socket on the balancer's machine: absolute, at most 107 bytes (membership/address.ts). */
  readonly path: string
}

/** Where a backend takes connections. */
export type Address = TcpAddress | UnixAddress

/** What is spoken there: HTTP/1.1 as it is, or within TLS. */
export type Scheme = "http" | "https"

/** A range of status codes, both ends included. */
export interface StatusRange {
  readonly from: number
  readonly to: number
}

/** How a backend is asked whether it is up: a connection opens, or a GET of `path` has one of these statuses. */
export type Check =
  | { readonly kind: "tcp" }
  | { readonly kind: "http"; readonly path: string; readonly statuses: readonly StatusRange[] }

/** One backend that holds a lease. Plain data: it travels to the data-plane threads as it is. */
export interface Member {
  readonly id: BackendId
  /** Its row in the load table; another member gets the row only after the last attempt on it has settled. */
  readonly slot: number
  /** Which registration this is; grows with each, never repeats. */
  readonly generation: number
  readonly incarnation: number | undefined
  readonly address: Address
  readonly scheme: Scheme
  readonly capacity: NamedAmounts
  readonly weight: number
  readonly zone: string | undefined
  readonly version: string | undefined
  readonly labels: Readonly<Record<string, string>>
  /** As all are checked when absent. */
  readonly check?: Check | undefined
  readonly state: MemberState
  /** One sentence for a person: why it is in this state. */
  readonly reason: string
  /**
   * What keeps it a member: its renewals; the ping-acks of a backend of the seed, which never renews; or the
   * configuration, for as long as that names it.
   */
  readonly keptBy: "renewals" | "ping-acks" | "configuration"
}

/** The whole membership at one moment. Replaced, never changed. */
export interface Snapshot {
  /** Grows by one with each snapshot that is made. */
  readonly version: number
  /** In order of registration. */
  readonly members: readonly Member[]
  /** Those that may be chosen: all serving members, or all suspects when none is serving. Same order. */
  readonly eligible: readonly Member[]
}

export const emptySnapshot: Snapshot = { version: 0, members: [], eligible: [] }
