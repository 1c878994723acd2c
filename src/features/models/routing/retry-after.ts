const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
const duration = /^(?:\d+(?:\.\d+)?(?:ms|h|m|s))+$/
const durationPart = /(\d+(?:\.\d+)?)(ms|h|m|s)/g

/** Pairs of headers with which providers tell how much is left of a limit and when it is full again. */
const limitHeaders = [
  ['x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  ['x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  ['anthropic-ratelimit-requests-remaining', 'anthropic-ratelimit-requests-reset'],
  ['anthropic-ratelimit-tokens-remaining', 'anthropic-ratelimit-tokens-reset'],
  ['anthropic-ratelimit-input-tokens-remaining', 'anthropic-ratelimit-input-tokens-reset'],
  ['anthropic-ratelimit-output-tokens-remaining', 'anthropic-ratelimit-output-tokens-reset'],
] as const

/**
 * How long a provider asks to be left alone, ms: `retry-after-ms`, else `retry-after`, else the latest reset of a limit
 * of which nothing remains. Undefined where it says nothing that can be read.
 * `headers` is a flat list name, value, …; `now` is epoch ms, for the forms that are dates.
 */
export function retryAfterMs(headers: readonly string[], now: number): number | undefined {
  const values = new Map<string, string>()
  for (let index = 0; index + 1 < headers.length; index += 2) {
    values.set(headers[index]!.toLowerCase(), headers[index + 1]!.trim())
  }
  return (
    parseCount(values.get('retry-after-ms'), 1) ??
    parseCount(values.get('retry-after'), 1000) ??
    parseDate(values.get('retry-after'), now) ??
    latestReset(values, now)
  )
}

function latestReset(values: ReadonlyMap<string, string>, now: number): number | undefined {
  let latest: number | undefined
  for (const [remaining, reset] of limitHeaders) {
    if (values.get(remaining) !== '0') continue
    const text = values.get(reset)
    const ms = parseCount(text, 1000) ?? parseDuration(text) ?? parseDate(text, now)
    if (ms !== undefined) latest = Math.max(latest ?? 0, ms)
  }
  return latest
}

function parseCount(text: string | undefined, unit: number): number | undefined {
  return text !== undefined && /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) * unit : undefined
}

/** Go's notation, as OpenAI writes it: `1s`, `6m0s`, `250ms`. */
function parseDuration(text: string | undefined): number | undefined {
  if (text === undefined || text.length > 32 || !duration.test(text)) return undefined
  let sum = 0
  for (const [, amount, unit] of text.matchAll(durationPart)) {
    sum += Number(amount) * unitMs[unit!]!
  }
  return sum
}

function parseDate(text: string | undefined, now: number): number | undefined {
  const at = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
