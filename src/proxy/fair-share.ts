/**
 * Cold: while requests wait for a connection to backends whose connections are all in use, no client keeps one by being
 * slow. The address that holds most gives up as many as others wait for, until all have equally many; then those go
 * that are slower than any client need be, whatever their address.
 *
 * Only exchanges that wait for their client are ended: a body that is still to come, a response that is not read. What
 * a backend works on is not touched, however many connections its client's address has.
 */
import type { Millis } from "../core/clock.ts"
import type { BackendPool } from "./backends/backend-pool.ts"
import type { Group } from "../placing/group.ts"

/** An exchange, as far as it is about connections that are short. */
export interface Contender {
  /** Whose it is: see `clientKeyOf`. */
  readonly clientKey: string
  /** Whose connection it holds. */
  readonly heldPool: BackendPool | undefined
  /** It holds it only because its client sends or reads slowly. */
  readonly isHeldUp: boolean
  /** And has been for so long that hardly anything came of it. */
  readonly isSlow: boolean
  readonly heldSince: Millis
  /** Where it waits for a backend. */
  readonly waitsIn: Group<BackendPool> | undefined
  /** Ends it, since others wait for its connection. */
  reclaim(): void
  /** Asks for a backend before its turn. */
  goAhead(): void
}

/** What one address has of the connections that are short. */
interface Share {
  held: number
  /** What may be ended, the longest first. */
  readonly heldUp: Contender[]
}

const bytesOfNetwork = 8

/**
 * One text for one client: its IPv4 address, or its IPv6 network of 64 bits, which one client has to itself (RFC 6177).
 */
export function clientKeyOf(address: Uint8Array | undefined): string {
  if (address === undefined) return ""
  const length = address.length === 4 ? 4 : bytesOfNetwork
  return Buffer.from(address.buffer, address.byteOffset, length).toString("latin1")
}

/** To be called now and then. Costs one look at each group, and one at each exchange where connections are short. */
export function shareConnections(
  groups: readonly Group<BackendPool>[],
  contenders: () => Iterable<Contender>,
): void {
  for (const group of groups) if (isShort(group)) shareOut(group, [...contenders()])
}

/** Requests wait, and what they wait for is a connection. */
function isShort({ queue, eligible }: Group<BackendPool>): boolean {
  return queue.length > 0 && eligible.length > 0 && eligible.every(({ site }) => !site.hasRoom)
}

function shareOut(group: Group<BackendPool>, contenders: readonly Contender[]): void {
  const shares = sharesIn(group, contenders)
  const slow = slowIn(shares.values())
  const heldOf = (key: string): number => shares.get(key)?.held ?? 0
  const waiting = contenders.filter(({ waitsIn }) => waitsIn === group)
  waiting.sort((a, b) => heldOf(a.clientKey) - heldOf(b.clientKey))
  for (const contender of waiting) {
    const key = contender.clientKey
    // With one less it must still have as many as the other has with one more.
    const richest = richestOf(shares.values(), heldOf(key) + 2)
    const giving = richest?.heldUp[0] ?? slow.find(({ heldPool }) => heldPool !== undefined)
    if (giving === undefined) continue
    const from = shares.get(giving.clientKey)!
    from.heldUp.splice(from.heldUp.indexOf(giving), 1)
    from.held--
    giving.reclaim()
    contender.goAhead()
    const share = shares.get(key)
    if (share === undefined) shares.set(key, { held: 1, heldUp: [] })
    else share.held++
  }
}

/** How many of the group's connections each client has. */
function sharesIn({ eligible }: Group<BackendPool>, contenders: readonly Contender[]): Map<string, Share> {
  const pools = new Set(eligible.map(({ site }) => site))
  const shares = new Map<string, Share>()
  for (const contender of contenders) {
    const { heldPool, clientKey, isHeldUp } = contender
    if (heldPool === undefined || !pools.has(heldPool)) continue
    let share = shares.get(clientKey)
    if (share === undefined) shares.set(clientKey, (share = { held: 0, heldUp: [] }))
    share.held++
    if (isHeldUp) share.heldUp.push(contender)
  }
  for (const { heldUp } of shares.values()) heldUp.sort((a, b) => a.heldSince - b.heldSince)
  return shares
}

/** Those that give up their connection to any client, the longest first. */
function slowIn(shares: Iterable<Share>): Contender[] {
  const slow = [...shares].flatMap(({ heldUp }) => heldUp.filter(({ isSlow }) => isSlow))
  return slow.sort((a, b) => a.heldSince - b.heldSince)
}

/** The largest share of at least so many of which something can be taken. */
function richestOf(shares: Iterable<Share>, atLeast: number): Share | undefined {
  let richest: Share | undefined
  for (const share of shares) {
    if (share.heldUp.length > 0 && share.held >= (richest === undefined ? atLeast : richest.held + 1))
      richest = share
  }
  return richest
}
