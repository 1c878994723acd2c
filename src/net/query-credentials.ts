import { unescape } from 'node:querystring'
import type { PresentedCredential } from './exchange.ts'

const keyParameters: ReadonlySet<string> = new Set(['apikey', 'api_key', 'key'])

/**
 * Takes keys of the gateway out of a query. `search` is empty or starts with `?`.
 * Parameters named `apiKey`, `api_key` or `key`, in whatever case or escaping, are added to `found`, unless empty;
 * the query without them is returned, the other parameters byte for byte as they were.
 */
export function takeQueryCredentials(search: string, found: PresentedCredential[]): string {
  if (!mayHoldKey(search)) return search
  const parameters = search.slice(1).split('&')
  const kept = parameters.filter((parameter) => {
    const [name = '', ...value] = parameter.split('=')
    if (!keyParameters.has(unescape(name).toLowerCase())) return true
    const text = unescape(value.join('='))
    if (text !== '') found.push({ carrier: 'query', text })
    return false
  })
  if (kept.length === parameters.length) return search
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/** Spares the usual query (`?beta=true`) the splitting. */
function mayHoldKey(search: string): boolean {
  return search.length > 1 && /key|%/i.test(search)
}
