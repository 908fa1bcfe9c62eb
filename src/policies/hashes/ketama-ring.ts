import type { Backend } from "../../core/backend.ts"
import { crc32Byte, crc32End, crc32More, crc32Start } from "../../core/hash.ts"
import { Ring, RingPoints, ringPointsMax } from "./ring.ts"

const pointsPerWeight = 160

/** Cold. O(points · log points). */
export function ketamaRing(members: readonly Backend[]): Ring {
  const weight = members.reduce((sum, member) => sum + member.weight, 0)
  const perWeight = Math.min(pointsPerWeight, ringPointsMax / weight)
  const counts = members.map((member) => Math.max(1, Math.round(member.weight * perWeight)))
  const points = new RingPoints(counts.reduce((sum, count) => sum + count, 0))
  for (const [place, { address }] of members.entries()) {
    const start = startOf(address)
    let previous = 0
    for (let i = 0; i < counts[place]!; i++) {
      let sum = start
      for (let shift = 0; shift < 32; shift += 8) sum = crc32Byte(sum, previous >>> shift)
      previous = crc32End(sum)
      points.add(previous, place)
    }
  }
  return new Ring(points, false)
}

/** The sum over host, zero byte and port, without an end. */
function startOf(address: string): number {
  const isPath = address.startsWith("unix:")
  const colon = isPath ? -1 : address.lastIndexOf(":")
  const host = isPath ? address.slice("unix:".length) : colon === -1 ? address : address.slice(0, colon)
  const port = colon === -1 ? "" : address.slice(colon + 1)
  return crc32More(crc32Byte(crc32More(crc32Start, host), 0), port)
}
