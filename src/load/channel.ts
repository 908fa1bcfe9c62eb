/** One connection to the target as the generator sees it: it carries one request at a time. */

/** Why a request, or the connection for it, came to nothing. */
export const spamErrors = {
  connect_refused: "No program listens there.",
  connect_timeout: "The connection did not open in time.",
  connect_failed: "The connection could not be opened, for another reason than the two above.",
  timeout: "No whole response came in time.",
  reset: "The connection was reset during the request.",
  closed_early: "The connection was closed before the whole response had come.",
  malformed_response: "What came back is no HTTP response.",
  refused: "The response says that it failed.",
  not_sent: "No connection was free until the end, or too many requests waited for one already.",
  unfinished: "It was still running when the run ended.",
} as const

export type SpamError = keyof typeof spamErrors

export interface Channel {
  /** Sends one whole request. Only while open and without another under way. */
  send(bytes: Buffer, isHead: boolean): void
  /** Ends it; its owner hears no more of it. */
  destroy(): void
}

export interface ChannelOwner<Self> {
  onOpen(channel: Self): void
  /**
   * The response has come whole. `keeps`: another request may be sent; else the channel has ended.
   *
   * @param bytes of head and body.
   * @param backend the backend that responded, where the response names it.
   */
  onAnswer(channel: Self, status: number, bytes: number, backend: string | undefined, keeps: boolean): void
  /** It has ended, with or without a request under way. `stale`: it had been kept open and nothing had come back. */
  onFailed(channel: Self, error: SpamError, detail: string, stale: boolean): void
}

/** Opens a connection to the target. Its owner hears of it later, never within the call. */
export type Dial = (owner: ChannelOwner<Channel>) => Channel
