import { Resolver } from "node:dns"
import { hostname } from "node:os"
import { ParsedFile } from "../file-stamp.ts"
import { parseResolvConf, type ResolvConf } from "../system-names.ts"

/** How long one name server has, and how often each is asked, where resolv.conf does not say it. */
const timeoutMsDefault = 2_000
const attemptsDefault = 2

/** The system's name servers, as /etc/resolv.conf names them now. */
export class NameServers {
  #resolver: Resolver | undefined
  // A resolver reads which servers there are when it is made.
  readonly #conf = new ParsedFile("/etc/resolv.conf", (text) => {
    const conf = parseResolvConf(text, hostname())
    const { attempts = attemptsDefault, timeoutSeconds } = conf
    const timeout = timeoutSeconds === undefined ? timeoutMsDefault : timeoutSeconds * 1_000
    this.#resolver = new Resolver({ timeout, tries: attempts })
    return conf
  })

  get conf(): ResolvConf {
    return this.#conf.value
  }

  get resolver(): Resolver {
    void this.#conf.value
    return this.#resolver!
  }

  /** Gives open questions up. */
  cancel(): void {
    this.#resolver?.cancel()
  }
}

/** A name server of one's own, like 10.0.0.2 or 10.0.0.2:8600. */
export function resolverAt(server: string): Resolver {
  const resolver = new Resolver({ timeout: timeoutMsDefault, tries: attemptsDefault })
  resolver.setServers([server])
  return resolver
}
