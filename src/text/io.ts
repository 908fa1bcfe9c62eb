/** Where a command's words go. Injected, so that a test needs no process. */
export interface Io {
  /** Data for another program: the command ends when it cannot be written. */
  out(text: string): void
  /** Lines for a person, on the output. One that cannot be written is lost and counted. */
  say(text: string): void
  /** The same beside the output. */
  err(text: string): void
  /** Lines that could not be written so far. */
  readonly linesLost: () => number
}
