/** What a backend says of itself and of a request's cost in a response. Cold but where backends report their load. */
import type { Millis } from "../core/clock.ts"
import { fields } from "../core/http/fields.ts"
import { type MessageHead, trailerValue } from "../core/http/message-head.ts"
import type { LoadReport } from "../core/load-report.ts"
import type { ResourceTable } from "../core/resources.ts"
import { loadReportOf } from "../learning/load-report.ts"

/** The load report in a head that has one; undefined where it says nothing that can be understood. */
export function reportIn(head: MessageHead, resources: ResourceTable): LoadReport | undefined {
  const plain = head.find(fields["endpoint-load-metrics"])
  const binary = head.find(fields["endpoint-load-metrics-bin"])
  return loadReportOf(
    binary === -1 ? undefined : head.value(binary),
    plain === -1 ? undefined : head.value(plain),
    resources,
  )
}

/** The same of a trailer section, which may have none. */
export function reportInTrailers(section: string, resources: ResourceTable): LoadReport | undefined {
  const binary = trailerValue(section, "endpoint-load-metrics-bin")
  const plain = trailerValue(section, "endpoint-load-metrics")
  return loadReportOf(binary, plain, resources)
}

/** Retry-After in whole seconds (RFC 9110 10.2.3), ms; NaN where there is none. A date says too little to act on. */
export function retryAfterIn(head: MessageHead): Millis {
  const field = head.find(fields["retry-after"])
  if (field === -1) return NaN
  const value = head.value(field)
  return /^[0-9]{1,9}$/.test(value) ? Number(value) * 1_000 : NaN
}
