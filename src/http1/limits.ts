/** What a head may cost. Every limit has an error code of its own in core/errors.ts. */
export interface HeadLimits {
  /** The whole head with its empty line, bytes. */
  readonly headBytesMax: number
  /** One field line without its CRLF, bytes. */
  readonly fieldLineBytesMax: number
  readonly fieldsMax: number
  readonly targetBytesMax: number
}

export const headLimitsDefault: HeadLimits = {
  headBytesMax: 32 * 1024,
  fieldLineBytesMax: 8 * 1024,
  fieldsMax: 100,
  targetBytesMax: 8 * 1024,
}
