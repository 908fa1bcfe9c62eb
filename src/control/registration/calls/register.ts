import { call, reply } from "../../api/call.ts"
import { backendId } from "../../state-view.ts"
import { addressErrors, announcedAddress } from "../registration-address.ts"
import { lease, leaseView, registrationBody } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const register = call({
  name: "register",
  method: "PUT",
  path: "/v1/backends/{id}",
  right: "write",
  summary: "A backend announces itself, or renews with all that it says of itself",
  parameters: { path: { id: backendId } },
  body: { schema: registrationBody, required: true },
  responses: {
    200: { description: "The lease that this id holds already.", json: lease },
    201: { description: "The lease of a new member.", json: lease },
  },
  errors: ["invalid_id", ...addressErrors, "stale_incarnation", "configured_backend", "too_many_backends"],
  handle: ({ path: { id }, body, peer }, services: RegistrationServices) => {
    const address = announcedAddress(body.address, peer, services)
    if (!address.ok) return address
    const { registry, clock } = services
    const held = registry.register({ ...body, id, address: address.value }, clock.now())
    if (!held.ok) return held
    return reply(held.value.created ? 201 : 200, leaseView(held.value))
  },
})
