import type { Config } from "../../config/config.ts"
import type { Timers } from "../../system.ts"
import { FileSource } from "./file-source.ts"
import { listed, type Source } from "./source.ts"

/** The sources that the settings name, those first that count where two find the same backend. */
export function sourcesOf(config: Config, timers: Timers): readonly Source[] {
  const { backends, discovery } = config
  const files = discovery.files.map(
    ({ name, path }) => new FileSource(name, path, { settings: config, timers }),
  )
  return [listed(backends), ...files]
}
