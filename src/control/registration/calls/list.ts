import * as z from "zod"
import { call, reply } from "../../api/call.ts"
import { member, memberExample, memberView } from "../registration-schema.ts"
import type { RegistrationServices } from "../registration-services.ts"

export const list = call({
  name: "listMembers",
  method: "GET",
  path: "/v1/backends",
  right: "read",
  summary: "The members, in order of registration",
  responses: {
    200: {
      description: "The members.",
      json: z.object({ backends: z.array(member) }).meta({ examples: [{ backends: [memberExample] }] }),
    },
  },
  errors: [],
  handle: (_input, { registry, clock }: RegistrationServices) => {
    const now = clock.now()
    const backends = registry.snapshot.members.map((member) =>
      memberView(member, registry.details(member.id, now)?.expiresInMs),
    )
    return reply(200, { backends })
  },
})
