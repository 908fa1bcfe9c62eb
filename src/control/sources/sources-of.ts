import type { Config } from "../../config/config.ts"
import { DnsQuestions } from "../../net/dns/dns-questions.ts"
import type { Timers } from "../../system.ts"
import { DnsSource } from "./dns-source.ts"
import { FileSource } from "./file-source.ts"
import { listed, type Source } from "./source.ts"

/** The sources that the settings name, those first that count where two find the same backend. */
export function sourcesOf(config: Config, timers: Timers): readonly Source[] {
  const { backends, discovery } = config
  const files = discovery.files.map(
    ({ name, path }) => new FileSource(name, path, { settings: config, timers }),
  )
  const names = discovery.dns.map((entry) => new DnsSource(entry, new DnsQuestions(entry.server), timers))
  return [listed(backends), ...files, ...names]
}
