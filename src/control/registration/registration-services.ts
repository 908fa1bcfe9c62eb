import type { BackendId } from "../../core/backend.ts"
import type { Clock } from "../../core/clock.ts"
import type { NamedAmounts } from "../../core/resources.ts"
import type { Registry } from "../../membership/registry.ts"
import type { AddressRules } from "./registration-address.ts"

/** What the calls of the registration API work on. */
export interface RegistrationServices extends AddressRules {
  readonly registry: Registry
  readonly clock: Clock
  /** A backend has said with a renewal how much of its resources is in use. */
  readonly onUtilization?: (id: BackendId, utilization: NamedAmounts) => void
}
