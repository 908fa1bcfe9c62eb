/** Where backends are found, beside those that the settings list and those that announce themselves. */

import * as z from "zod"
import { section } from "../../text/schema-words.ts"

const patternExpected = "the path of a file, with * and ? in its last part only"
const filesMax = 64

export const discovery = section("Where backends are found, beside those that are listed or announced.", {
  files: z
    .array(z.string({ error: patternExpected }).regex(/^(?:[^*?]*\/)?[^/]+$/, { error: patternExpected }), {
      error: "a list of files",
    })
    .max(filesMax, { error: `a list of at most ${filesMax} files` })
    .default([])
    .describe(
      "Files with lists as under backends, followed while the balancer runs; in a name * is any text, ? any character.",
    ),
})
