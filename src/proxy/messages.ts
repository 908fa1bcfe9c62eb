import type { LoadTableShape } from "../cluster/load-table.ts"
import type { Snapshot } from "../cluster/snapshot.ts"
import type { BackendId } from "../core/backend.ts"
import type { CountersShape } from "../metrics/counters.ts"
import type { PolicyName } from "../policies/index.ts"
import type { DataPlaneOptions, TlsMaterial } from "./options.ts"

/** What a thread is born with. */
export interface WorkerBirth {
  readonly options: DataPlaneOptions
  readonly table: LoadTableShape
  readonly counters: CountersShape
  readonly snapshot: Snapshot
}

export type ToWorker =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "policy"; readonly name: PolicyName }
  | { readonly kind: "tls"; readonly material: TlsMaterial }
  | { readonly kind: "stop" }

export type FromWorker =
  | { readonly kind: "listening" }
  | {
      readonly kind: "listen_failed"
      readonly code: string
      readonly message: string
      readonly port: number | undefined
    }
  /** The thread has taken the snapshot of this version: it starts nothing on members of earlier ones. */
  | { readonly kind: "applied"; readonly version: number }
  | { readonly kind: "connect_failed"; readonly id: BackendId }
  | { readonly kind: "stopped" }
