/** What the body of a request says about the size of the call. */
export interface SizeHints {
  readonly bodyBytes: number
  /** `max_tokens` and its relatives; `undefined` when the client sets none. */
  readonly outputTokensMax: number | undefined
}

/** A prompt of plain text has about four bytes a token. Images in the body would count for far too much, hence the cap. */
const bytesPerToken = 4
const inputTokensCap = 128_000
const outputTokensDefault = 1_024

/** Tokens that a call is expected to take, for reserving before it and for charging when its usage is never told. */
export function estimateTokens(hints: SizeHints): { input: number; output: number } {
  return {
    input: Math.min(Math.ceil(hints.bodyBytes / bytesPerToken), inputTokensCap),
    output: hints.outputTokensMax ?? outputTokensDefault,
  }
}
