import { execFileSync } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..", "..")

/**
 * Installs the dependencies of this checkout when its lock file has changed, as `npm test` does before anything else.
 */
export function setUp(): void {
  execFileSync(process.execPath, [join(root, "scripts", "ensure.cjs")], { stdio: "inherit" })
}
