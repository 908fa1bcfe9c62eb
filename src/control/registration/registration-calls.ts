/** The table of the registration API. A call is one file, and its line here. */
import type { Api } from "../api/call.ts"
import { openApiCall } from "../api/openapi-call.ts"
import { drain } from "./calls/drain.ts"
import { list } from "./calls/list.ts"
import { register } from "./calls/register.ts"
import { remove } from "./calls/remove.ts"
import { renew } from "./calls/renew.ts"
import { seedAnnouncement } from "./calls/seed-announcement.ts"
import type { RegistrationServices } from "./registration-services.ts"

export const registrationApi: Api<RegistrationServices> = {
  title: "Linebacker: registration",
  description:
    "Where backends announce themselves, renew their leases and leave. Where `registration.token` is set every call " +
    "needs it; web pages may make none.",
  version: "1.0.0",
  access: {
    setting: "registration",
    guarded: ["read", "write"],
    withoutToken: "served",
    pages: "none",
    neighbours: true,
  },
  headers: { "Cache-Control": "no-store" },
  calls: [register, renew, drain, remove, list, seedAnnouncement, openApiCall(() => registrationApi)],
}
