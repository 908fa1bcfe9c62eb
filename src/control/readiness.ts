/** Whether traffic can be taken, as `/readyz` says it: what sits before the balancer sends its clients by it. */
export interface Readiness {
  readonly isStopping: boolean
  /** A data-plane thread listens, and none stands still. */
  readonly threadsReady: boolean
  readonly backends: number
  readonly eligible: number
}

/** Why no traffic can be taken, as a sentence; undefined when it can. */
export function unreadiness({ isStopping, threadsReady, backends, eligible }: Readiness): string | undefined {
  if (isStopping) return "The balancer is stopping."
  if (!threadsReady) return "No data-plane thread takes connections, or one of them stands still."
  if (backends === 0) return "No backend has announced itself."
  if (eligible === 0) return `None of ${backends} backends may take traffic.`
  return undefined
}
