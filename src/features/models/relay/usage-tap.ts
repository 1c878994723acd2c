import { holdsClosingEvent } from './whole-answer.ts'

/** Tokens that an upstream reports to have used. */
export interface TokenUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Part of `inputTokens` that came from the upstream's cache. */
  readonly cachedTokens: number
}

/** Follows the bytes of one answer as the upstream sends them, to tell what it cost. */
export interface AnswerTap {
  /** Chunks seen. */
  readonly chunks: number
  /** Bytes seen, encoded as they came. */
  readonly bytes: number
  push(chunk: Buffer): void
  /** What was reported, once the answer has ended or broken off. */
  read(): TokenUsage | undefined
  /** Says whether a stream has come to the event that closes it; taken for granted where it cannot be read. */
  hasClosingEvent(): boolean
}

/** The tap where there is no answer. */
export const noTap: AnswerTap = {
  chunks: 0,
  bytes: 0,
  push() {},
  read: () => undefined,
  hasClosingEvent: () => true,
}

/** Usage stands at the end of what is streamed, and at the start of an Anthropic stream; so much of either end is kept. */
const tailBytesMax = 64 * 1024
const headBytesMax = 8 * 1024
const usageKey = '"usage"'

/** The tap of an answer that can be read as it is. Copies and parses nothing while the bytes pass. */
export class UsageTap implements AnswerTap {
  #head: Buffer | undefined
  #tail: Buffer[] = []
  #tailBytes = 0
  chunks = 0
  bytes = 0

  push(chunk: Buffer): void {
    this.chunks += 1
    this.bytes += chunk.length
    this.#head ??= chunk.length > headBytesMax ? chunk.subarray(0, headBytesMax) : chunk
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    while (
      this.#tail.length > 1 &&
      this.#tailBytes - (this.#tail[0] as Buffer).length >= tailBytesMax
    ) {
      this.#tailBytes -= (this.#tail.shift() as Buffer).length
    }
  }

  /** The last usage that was reported; for Anthropic streams together with what the first event said. */
  read(): TokenUsage | undefined {
    const last = lastUsage(this.#end())
    if (this.#head === undefined || (last !== undefined && last.inputTokens > 0)) return last
    // `message_delta` may carry the output alone; the input was in `message_start`.
    const first = lastUsage(this.#head)
    if (first === undefined || last === undefined) return first ?? last
    return { ...first, outputTokens: last.outputTokens }
  }

  hasClosingEvent(): boolean {
    return holdsClosingEvent(this.#end())
  }

  #end(): Buffer {
    return this.#tail.length === 1 ? (this.#tail[0] as Buffer) : Buffer.concat(this.#tail)
  }
}

function lastUsage(bytes: Buffer): TokenUsage | undefined {
  let at = bytes.lastIndexOf(usageKey)
  while (at >= 0) {
    const usage = usageAt(bytes, at + usageKey.length)
    if (usage !== undefined) return usage
    at = at === 0 ? -1 : bytes.lastIndexOf(usageKey, at - 1)
  }
  return undefined
}

function usageAt(bytes: Buffer, from: number): TokenUsage | undefined {
  const open = bytes.indexOf('{', from)
  // Only white space and the colon may stand between the key and its object.
  if (open < 0 || bytes.toString('latin1', from, open).trim() !== ':') return undefined
  const close = closingBrace(bytes, open)
  return close < 0 ? undefined : parseUsage(bytes.toString('utf8', open, close + 1))
}

/** Usage objects hold numbers, objects and short strings; braces inside strings do not occur in any known dialect. */
function closingBrace(bytes: Buffer, open: number): number {
  let depth = 0
  for (let at = open; at < bytes.length; at += 1) {
    if (bytes[at] === 0x7b) depth += 1
    else if (bytes[at] === 0x7d) {
      depth -= 1
      if (depth === 0) return at
    }
  }
  return -1
}

function parseUsage(text: string): TokenUsage | undefined {
  const usage = parseObject(text)
  if (usage === undefined) return undefined
  const input = firstNumber(usage, ['prompt_tokens', 'input_tokens'])
  const output = firstNumber(usage, ['completion_tokens', 'output_tokens'])
  const total = firstNumber(usage, ['total_tokens'])
  if (input === undefined && output === undefined && total === undefined) return undefined
  return {
    inputTokens: (input ?? total ?? 0) + inputBeside(usage),
    outputTokens: output ?? 0,
    cachedTokens: cachedOf(usage),
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** Anthropic counts cached input beside `input_tokens`, OpenAI inside it. */
function inputBeside(usage: Record<string, unknown>): number {
  const read = firstNumber(usage, ['cache_read_input_tokens']) ?? 0
  return read + (firstNumber(usage, ['cache_creation_input_tokens']) ?? 0)
}

function cachedOf(usage: Record<string, unknown>): number {
  const details = usage['prompt_tokens_details'] ?? usage['input_tokens_details'] ?? {}
  const own = firstNumber(usage, ['cache_read_input_tokens', 'prompt_cache_hit_tokens'])
  return own ?? firstNumber(details as Record<string, unknown>, ['cached_tokens']) ?? 0
}

function firstNumber(
  values: Record<string, unknown>,
  names: readonly string[],
): number | undefined {
  for (const name of names) {
    const value = values[name]
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  }
  return undefined
}
