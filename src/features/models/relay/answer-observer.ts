import type { Target } from '../catalogue/resolve.ts'

/** Follows the bytes of an answer that goes to the client, to keep a copy. */
export interface AnswerObserver {
  /** Said to the client beside the answer's own headers, as a flat list. */
  readonly headers: readonly string[]
  /** An answer begins; happens again when another one takes its place before any of it was sent. */
  begun(status: number, headers: readonly string[]): void
  chunk(bytes: Buffer): void
  /** The answer is complete, or was broken off; `target` is who gave it. */
  ended(isComplete: boolean, target: Target | undefined): void
}
