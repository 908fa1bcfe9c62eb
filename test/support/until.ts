/** How long a test waits for what has to come: longer than the busiest machine takes. A test that passes never waits it out. */
export const patienceMs = 120_000

/** Waits until it holds. Throws what `what` says when that does not come about at all. */
export async function until(
  what: string | (() => string),
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > end) {
      throw new Error(`not within ${patienceMs} ms: ${typeof what === "string" ? what : what()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
