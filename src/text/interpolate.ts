import { fail, ok, type Result } from "../core/result.ts"

/** What `${…}` may stand for. */
export interface Substitutions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The whole text of a file, or why it cannot be read. */
  readonly readFile: (path: string) => Result<string, string>
}

const marks = /\$\$\{|\$\{([^{}]*)\}|\$\{/g
const name = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Puts environment variables (`${NAME}`) and files (`${file:PATH}`, without the line ending at their end) into
 * a text. `$${` stands for `${` itself. What is put in is not looked at again.
 *
 * @returns the text, or the first that cannot be put in, as a message that holds no value.
 */
export function interpolate(text: string, substitutions: Substitutions): Result<string, string> {
  let error: string | undefined
  const value = text.replaceAll(marks, (mark, inner?: string) => {
    if (mark === "$${") return "${"
    const part = substitute(inner, substitutions)
    if (part.ok) return part.value
    error ??= part.error
    return ""
  })
  return error === undefined ? ok(value) : fail(error)
}

function substitute(inner: string | undefined, { env, readFile }: Substitutions): Result<string, string> {
  if (inner?.startsWith("file:") === true) {
    const path = inner.slice("file:".length)
    const text = readFile(path)
    return text.ok
      ? ok(text.value.replace(/\r?\n$/, ""))
      : fail(`the file "${path}" cannot be read: ${text.error}`)
  }
  if (inner === undefined || !name.test(inner)) {
    return fail('expected ${NAME} or ${file:PATH} after "$"; "$${" stands for "${" itself')
  }
  const value = Object.hasOwn(env, inner) ? env[inner] : undefined
  return value === undefined ? fail(`the environment variable ${inner} is not set`) : ok(value)
}
