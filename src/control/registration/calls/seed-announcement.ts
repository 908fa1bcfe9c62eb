import { fail } from "../../../core/result.ts"
import type { NotRegistered } from "../../../membership/registry-errors.ts"
import { refuse } from "../../api/api-errors.ts"
import { call, reply } from "../../api/call.ts"
import { elsewhere } from "../registration-address.ts"
import { seedBody } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const seedAnnouncement = call({
  name: "announce",
  method: "*",
  path: "/",
  right: "write",
  summary: "A backend of the seed announces itself, with any method",
  description:
    "Its address is the caller's on the port registration.legacyPort. It never renews: ping-acks keep its lease and " +
    "end it. Announcing again replaces.",
  body: { schema: seedBody, required: true },
  responses: { 200: { description: "Server accepted.", media: ["text/plain; charset=utf-8"] } },
  errors: ["own_listener", "invalid_id", "stale_incarnation", "configured_backend", "too_many_backends"],
  handle: ({ body, peer }, services: RegistrationServices) => {
    const { registry, clock } = services
    const names = registry.resources.map(({ name }) => name)
    if (names.toSorted().join() !== "compute,storage") {
      const message = `this announcement knows only compute and storage, and the resources here are ${names.join(", ")}; use PUT /v1/backends/{id}`
      return refuse("invalid_body", message)
    }
    const address = elsewhere({ host: peer, port: registry.legacyPort }, services)
    if (!address.ok) return address
    const capacity = { compute: body["Compute-Vector"], storage: body["Storage-Vector"] }
    const held = registry.announce(peer, capacity, clock.now())
    return held.ok ? reply(200, "Server accepted\n") : fail(inSeedWords(held.error))
  },
})

/** An error about a capacity, by the name that the seed's backends have for it. */
function inSeedWords({ code, message, path }: NotRegistered): NotRegistered {
  return path === undefined ? { code, message } : { code, message: seedWords(message), path: seedWords(path) }
}

function seedWords(text: string): string {
  return text.replace("capacity.compute", "Compute-Vector").replace("capacity.storage", "Storage-Vector")
}
