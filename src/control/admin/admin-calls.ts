/** The table of the admin API. A call is one file, and its line here. */
import type { Api } from "../api/call.ts"
import { openApiCall } from "../api/openapi-call.ts"
import type { AdminServices } from "./admin-services.ts"
import { backend } from "./calls/backend.ts"
import { backends } from "./calls/backends.ts"
import { changePolicy } from "./calls/change-policy.ts"
import { events } from "./calls/events.ts"
import { health } from "./calls/health.ts"
import { page } from "./calls/page.ts"
import { pageFile } from "./calls/page-file.ts"
import { policies } from "./calls/policies.ts"
import { readiness } from "./calls/readiness.ts"
import { routes } from "./calls/routes.ts"
import { state } from "./calls/state.ts"

export const adminApi: Api<AdminServices> = {
  title: "Linebacker: admin",
  description:
    "What the balancer knows, and what can be changed while it runs. Reading is open to peers in `admin.allow`, by " +
    "default this machine; changing anything needs the token of `admin.token`.",
  version: "1.0.0",
  access: {
    setting: "admin",
    guarded: ["write"],
    withoutToken: "refused",
    pages: "own",
    neighbours: false,
  },
  wholeBodyPath: "",
  headers: {
    "Content-Security-Policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
  },
  calls: [
    state,
    backends,
    backend,
    policies,
    routes,
    changePolicy,
    events,
    health,
    readiness,
    openApiCall(() => adminApi),
    page,
    pageFile,
  ],
}
