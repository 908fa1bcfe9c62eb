/** The scenarios that come with the program, as files beside this one, in the order in which they are shown. */
export const builtInNames = [
  "three-types",
  "mild",
  "equal",
  "skewed",
  "seed-fleet",
  "one-class",
  "bursty",
  "heavy-tail",
  "llm",
  "elastic",
  "mix-flip",
  "noisy-neighbour",
  "lying",
  "flapping",
  "dozen",
  "large",
] as const

/** The name of a scenario that comes with the program. */
export type BuiltInName = (typeof builtInNames)[number]

export function isBuiltInName(text: string): text is BuiltInName {
  return (builtInNames as readonly string[]).includes(text)
}

/** Where the file lies. This room reads no files; the caller does. */
export function builtInUrl(name: BuiltInName): URL {
  return new URL(`../scenarios/${name}.yaml`, import.meta.url)
}
