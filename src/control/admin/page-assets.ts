/**
 * The files of the page, ready to serve. In a checkout the scripts are TypeScript and their types are erased at
 * first use; in the published package the built scripts lie beside and go out as they are.
 */

import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { leaveGoneFolder } from "../../net/folder.ts"
import { type PageAsset, type PageAssets, scriptLanguage, scripts, servedName } from "./page-files.ts"

/** The most that the erased scripts may be together. */
const scriptBytesMax = 4 * 1024 * 1024

// The eraser prints a warning of its own, so it runs in a child that can be told not to; and only once.
const eraser = `
import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
const erased = process.argv.slice(1).map((path) => stripTypeScriptTypes(readFileSync(path, "utf8")))
process.stdout.write(JSON.stringify(erased))
`

/** Reads the page from the folder beside, erasing types where there are any. */
export async function loadPageAssets(
  folder: URL = new URL("../../dashboard/", import.meta.url),
  language: "ts" | "js" = scriptLanguage,
): Promise<PageAssets> {
  const paths = scripts.map((name) => fileURLToPath(new URL(`${name}.${language}`, folder)))
  const [html, css, sources] = await Promise.all([
    readFile(new URL("page.html", folder)),
    readFile(new URL("page.css", folder)),
    language === "ts" ? erase(paths) : Promise.all(paths.map((path) => readFile(path, "utf8"))),
  ])
  const assets = new Map([
    ["/", asset("text/html; charset=utf-8", html)],
    ["/page.css", asset("text/css; charset=utf-8", css)],
  ])
  for (const [index, name] of scripts.entries()) {
    assets.set(
      `/${servedName(name, language)}`,
      asset("text/javascript; charset=utf-8", Buffer.from(sources[index] ?? "")),
    )
  }
  return assets
}

async function erase(paths: readonly string[]): Promise<readonly string[]> {
  leaveGoneFolder()
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", eraser, ...paths],
    { maxBuffer: scriptBytesMax },
  )
  return JSON.parse(stdout) as readonly string[]
}

function asset(type: string, bytes: Uint8Array): PageAsset {
  const digest = createHash("sha256").update(bytes).digest("base64url")
  return { type, bytes, etag: `"${digest.slice(0, 22)}"` }
}
