/**
 * What `npm run build` makes: the published package's `dist`, in which types are erased, since Node does not strip
 * them below node_modules. What is no TypeScript (the page, the built-in scenarios) is copied beside.
 */
import { spawnSync } from "node:child_process"
import { cpSync, rmSync, statSync } from "node:fs"
import { extname, join } from "node:path"

const root = join(import.meta.dirname, "..")
const copied = new Set([".html", ".css", ".yaml"])

rmSync(join(root, "dist"), { recursive: true, force: true })
const compiler = join(root, "node_modules", ".bin", "tsc")
const { status } = spawnSync(compiler, ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" })
if (status === 0) {
  cpSync(join(root, "src"), join(root, "dist"), {
    recursive: true,
    filter: (source) => statSync(source).isDirectory() || copied.has(extname(source)),
  })
} else process.exitCode = 1
