/** Tokens that an upstream reports to have used. */
export interface TokenUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Part of `inputTokens` that came from the upstream's cache. */
  readonly cachedTokens: number
}

/** Usage stands at the end of what is streamed, and at the start of an Anthropic stream; so much of either end is kept. */
const tailBytesMax = 64 * 1024
const headBytesMax = 8 * 1024
const usageKey = '"usage"'

/** Watches the bytes of one response go by, and finds the reported usage when it has ended. Copies and parses nothing meanwhile. */
export class UsageTap {
  #head: Buffer | undefined
  #tail: Buffer[] = []
  #tailBytes = 0
  /** Number of chunks seen: for a stream, a rough count of its tokens. */
  chunks = 0

  push(chunk: Buffer): void {
    this.chunks += 1
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
    const tail = this.#tail.length === 1 ? (this.#tail[0] as Buffer) : Buffer.concat(this.#tail)
    const last = lastUsage(tail)
    if (last === undefined || this.#head === undefined) return last
    // `message_delta` may carry the output alone; the input was in `message_start`.
    const first = last.inputTokens === 0 ? lastUsage(this.#head) : undefined
    return first === undefined ? last : { ...first, outputTokens: last.outputTokens }
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
