import type { Registration } from "../../membership/registration.ts"

/** All that a source knows now. */
export interface Findings {
  /** All of its backends. What it could not find out anew is as it was: a source that fails loses none. */
  readonly backends: readonly Registration[]
  /** What is wrong with it now, a line for a person each. */
  readonly problems: readonly string[]
}

/** Where backends are found: the settings, files, DNS. */
export interface Source {
  readonly kind: "settings" | "file" | "dns"
  /** Which of its kind. */
  readonly name: string
  /** Tells what it finds: once soon, and again whenever that is something else. */
  start(found: (findings: Findings) => void): void
  close(): void
}

/** The backends that the settings name. */
export function listed(backends: readonly Registration[]): Source {
  return {
    kind: "settings",
    name: "backends",
    start: (found) => found({ backends, problems: [] }),
    close: () => {},
  }
}
