// Hot path: what attempts and reports tell, on its way through the policies around a policy.
import type { Backend } from "../../core/backend.ts"
import type { Policy } from "../policy.ts"

/** What a policy may be told about one backend. */
export interface Told {
  onBegun?: NonNullable<Policy["onBegun"]>
  onSettled?: NonNullable<Policy["onSettled"]>
  onReport?: NonNullable<Policy["onReport"]>
}

/**
 * Gives a policy around others the methods that those have, and no more: a policy with `onSettled` is given the
 * exact time, which costs something, and one around policies without it must not ask for that.
 *
 * @param like one of the policies inside; all of them have the same methods.
 * @param holderOf the policy inside that chooses among backends with this one; undefined when none does any more.
 */
export function passOn(outer: Told, like: Policy, holderOf: (backend: Backend) => Policy | undefined): void {
  if (like.onBegun !== undefined) {
    outer.onBegun = (backend, request) => holderOf(backend)?.onBegun?.(backend, request)
  }
  if (like.onSettled !== undefined) {
    outer.onSettled = (backend, outcome, now) => holderOf(backend)?.onSettled?.(backend, outcome, now)
  }
  if (like.onReport !== undefined) {
    outer.onReport = (backend, report, now) => holderOf(backend)?.onReport?.(backend, report, now)
  }
}
