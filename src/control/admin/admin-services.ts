import type { Result } from "../../core/result.ts"
import type { Stream } from "../api/call.ts"
import type { PolicyChangeError } from "../policy-desk.ts"
import type { CurrentPolicy, PolicyChange, PolicyView } from "../policy-view.ts"
import type { StateView } from "../state-view.ts"
import type { PageAsset } from "./page-files.ts"

/** What the calls of the admin API work on. */
export interface AdminServices {
  /** The state now. */
  readonly state: () => StateView
  readonly policies: readonly PolicyView[]
  /** Another policy from now on. */
  readonly changePolicy: (change: PolicyChange) => Result<CurrentPolicy, PolicyChangeError>
  /** Why no traffic can be taken, as a sentence; undefined when it can. */
  readonly unready: () => string | undefined
  /** A stream of states that begins with the state now; undefined when there are enough. */
  readonly stream: () => Stream | undefined
  /** The file of the page at this absolute path, one of those that there are. */
  readonly asset: (path: string) => Promise<PageAsset>
}
