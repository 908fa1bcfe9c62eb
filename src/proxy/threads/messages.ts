import type { LoadTableShape } from "../../placing/load-table.ts"
import type { Snapshot } from "../../membership/snapshot.ts"
import type { BackendId } from "../../core/backend.ts"
import type { Endpoint } from "../../core/endpoint.ts"
import type { CountersShape } from "../../metrics/counters.ts"
import type { RouteList } from "../../routing/routes.ts"
import type { Knowledge } from "../../core/knowledge.ts"
import type { Observed } from "../data-plane.ts"
import type { DescriptorsShape } from "./descriptors.ts"
import type { BackendOptions } from "../../config/config.ts"
import type { DataPlaneOptions, RoutingOptions, TlsMaterial } from "../options.ts"
import type { PulsesShape } from "./pulses.ts"

/** What a thread is born with. */
export interface WorkerBirth {
  readonly options: DataPlaneOptions
  readonly table: LoadTableShape
  readonly counters: CountersShape
  readonly pulses: PulsesShape
  readonly descriptors: DescriptorsShape
  readonly snapshot: Snapshot
  readonly learned: Learned
}

/** What has been learned, and the routes that its numbers mean. */
export interface Learned {
  readonly knowledge: Knowledge
  readonly routes: RouteList
}

export type ToWorker =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "learned"; readonly learned: Learned }
  | { readonly kind: "routing"; readonly routing: RoutingOptions }
  | { readonly kind: "tls"; readonly material: TlsMaterial }
  | { readonly kind: "backend_tls"; readonly tls: BackendOptions["tls"] }
  /** Where the balancer listens, all listeners together. */
  | { readonly kind: "listeners"; readonly listeners: readonly Endpoint[] }
  /** A stop will follow: from now on every response closes its connection. */
  | { readonly kind: "drain" }
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
  /**
   * Comes each second, and before the thread takes another snapshot, so that slots still mean the backends that they
   * meant.
   */
  | { readonly kind: "observed"; readonly observed: Observed }
  | { readonly kind: "connect_failed"; readonly id: BackendId }
  /** What the control plane has sent could not be taken: the thread goes on with what it had. */
  | { readonly kind: "bug"; readonly where: string; readonly stack: string }
  | { readonly kind: "stopped" }
