import type { AppError } from '../../../lib/errors.ts'

/** A two-way stream of messages over one connection: standard streams, HTTP with SSE, WebSocket. Each end has one. */
export interface Channel extends AsyncDisposable {
  /** Sends the bytes of one message. Returns a promise where whoever sends on should wait first; what is sent meanwhile is kept. Does nothing once it is closed. */
  send(bytes: Buffer): Promise<void> | undefined
  /** Takes the messages, from the first one on. Called once. */
  receive(onMessage: (bytes: Buffer) => void): void
  /** Resolves when it is closed by either end; with the reason, where it was not in good order. */
  readonly closed: Promise<AppError | undefined>
}
