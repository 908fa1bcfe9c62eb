import type { Bindings } from "./affinity.ts"
import type { Budget } from "./budget.ts"
import type { Context } from "./context.ts"
import type { Exchange } from "./exchange.ts"
import type { Exit } from "./exit.ts"
import type { Fleet } from "./fleet.ts"
import type { RouteTable } from "./route-table.ts"
import type { Weigher } from "./weigher.ts"

/** What the exchanges of one thread share beside the context. */
export interface ExchangeContext extends Context {
  readonly fleet: Fleet
  readonly routes: RouteTable
  readonly weigher: Weigher
  readonly exit: Exit
  readonly bindings: Bindings
  /** For bodies that are collected. */
  readonly budget: Budget
  /** The field line that asks the backend for a load report; "" when none is asked for. */
  readonly askLine: string
  /** Via as clients get it, of a response in HTTP/1.0 and in HTTP/1.1; "" where they do not. */
  readonly viaLines: readonly [http10: string, http11: string]
  /** The client of this exchange has gone: it carries no more requests. */
  onExchangeGone(exchange: Exchange): void
}
