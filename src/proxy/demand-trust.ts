/** Whose word on what a request needs is taken. Asked only for requests that declare a demand. */
import type { BlockList } from "node:net"
import { contains, rangesOf } from "../net/ip-ranges.ts"

export class DemandTrust {
  readonly #ranges: BlockList | undefined

  /** @param trusted CIDRs of clients */
  constructor(trusted: readonly string[]) {
    this.#ranges = trusted.length === 0 ? undefined : rangesOf(trusted, "demand.trusted")
  }

  /** Whether what this client declares is taken as it is. */
  trusts(client: string | undefined): boolean {
    return this.#ranges !== undefined && client !== undefined && contains(this.#ranges, client)
  }
}
