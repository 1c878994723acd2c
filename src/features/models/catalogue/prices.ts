/** What a model costs, nano US dollars (1 USD = 1e9). Fractions of a nano dollar a token are possible. */
export interface Price {
  readonly inputPerToken: number
  readonly outputPerToken: number
  /** For input tokens that the provider served from its cache. */
  readonly cachedInputPerToken: number
  readonly perRequest: number
}

/** A price as people write it: US dollars per million tokens, and per request. */
export interface PriceInUsd {
  readonly input: number
  readonly output: number
  /** As `input` where it is left out. */
  readonly cachedInput?: number | undefined
  readonly perRequest?: number | undefined
}

/** Token counts as reported; null where nothing was. */
export interface TokenCounts {
  /** All input tokens, cached ones included. */
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cachedTokens: number | null
}

/** The prices of one provider, by the model name that it is sent. */
export interface PriceList {
  /** Exact name before the longest `prefix*` before `*`; null where none matches. */
  find(model: string): Price | null
}

const nanoUsdPerTokenOfUsdPerMillion = 1000
const nanoUsdPerUsd = 1e9

/** The price of what costs nothing. */
export const free: Price = Object.freeze({
  inputPerToken: 0,
  outputPerToken: 0,
  cachedInputPerToken: 0,
  perRequest: 0,
})

/** A list that finds `price` for every model. */
export function uniformPriceList(price: Price): PriceList {
  return { find: () => price }
}

/** Compiles prices by model name, `prefix*` or `*`. */
export function createPriceList(prices: Readonly<Record<string, PriceInUsd>>): PriceList {
  const exact = new Map<string, Price>()
  const wildcards: { prefix: string; price: Price }[] = []
  for (const [pattern, usd] of Object.entries(prices)) {
    if (pattern.endsWith('*')) wildcards.push({ prefix: pattern.slice(0, -1), price: toPrice(usd) })
    else exact.set(pattern, toPrice(usd))
  }
  wildcards.sort((left, right) => right.prefix.length - left.prefix.length)
  return {
    find: (model) =>
      exact.get(model) ?? wildcards.find(({ prefix }) => model.startsWith(prefix))?.price ?? null,
  }
}

/** What a call cost, whole nano US dollars; null where the price or the token counts are not known. */
export function costNanoUsd(price: Price | null, usage: TokenCounts): number | null {
  if (price === null) return null
  const { inputTokens, outputTokens } = usage
  if (inputTokens === null && outputTokens === null) return null
  const input = inputTokens ?? 0
  const cached = Math.min(usage.cachedTokens ?? 0, input)
  return Math.round(
    (input - cached) * price.inputPerToken +
      cached * price.cachedInputPerToken +
      (outputTokens ?? 0) * price.outputPerToken +
      price.perRequest,
  )
}

/** What a call costs at most, whole nano US dollars: nothing cached, and the whole of the output allowed. 0 without a price. */
export function estimateNanoUsd(
  price: Price | null,
  inputTokens: number,
  outputTokensMax: number,
): number {
  if (price === null) return 0
  return Math.ceil(
    inputTokens * Math.max(price.inputPerToken, price.cachedInputPerToken) +
      outputTokensMax * price.outputPerToken +
      price.perRequest,
  )
}

function toPrice(usd: PriceInUsd): Price {
  return Object.freeze({
    inputPerToken: usd.input * nanoUsdPerTokenOfUsdPerMillion,
    outputPerToken: usd.output * nanoUsdPerTokenOfUsdPerMillion,
    cachedInputPerToken: (usd.cachedInput ?? usd.input) * nanoUsdPerTokenOfUsdPerMillion,
    perRequest: (usd.perRequest ?? 0) * nanoUsdPerUsd,
  })
}
