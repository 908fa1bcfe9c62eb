import { foreignWords } from "./foreign-words.ts"

/**
 * The candidate that a word most likely meant, or undefined when none is near: the one that other products call so,
 * else the nearest by at most one edit in three characters. Ties go to the earlier candidate. For messages only:
 * quadratic in the lengths.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  // Nobody mistypes a word this long; the bound keeps a hostile one from costing time.
  if (word.length > 64) return undefined
  const lower = word.toLowerCase()
  const known = foreignWords
    .get(lower.replaceAll(/[^a-z0-9]/g, ""))
    ?.find((name) => candidates.includes(name))
  if (known !== undefined) return known
  let nearest: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const edits = editDistance(lower, candidate.toLowerCase())
    if (edits < least) {
      least = edits
      nearest = candidate
    }
  }
  return nearest
}

/** `; did you mean "interval"?`, or "" when nothing is near. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const nearest = suggest(word, candidates)
  return nearest === undefined ? "" : `; did you mean "${nearest}"?`
}

/**
 * How many insertions, deletions, substitutions and swaps of neighbours lead from one word to the other.
 *
 * @see Damerau, "A technique for computer detection and correction of spelling errors", CACM 7(3), 1964
 * (here in its restricted form: no part is edited twice).
 */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const differs = from[row - 1] === to[column - 1] ? 0 : 1
      let least = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + differs)
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) least = Math.min(least, beforeLast[column - 2]! + 1)
      current.push(least)
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}
