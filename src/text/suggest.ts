import { foreignWords } from "./foreign-words.ts"
import { editDistance } from "./edit-distance.ts"

/**
 * The candidate that a word most likely meant, or undefined when none is near: the one that other products call so,
 * else the nearest by at most one edit in three characters. Ties go to the earlier candidate. For messages only:
 * quadratic in the lengths.
 */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  // A word this long is no slip of the keyboard; the bound keeps a hostile one from costing time.
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
