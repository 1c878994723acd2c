import type { Credential, Provider } from '../catalogue/provider.ts'
import type { Surface } from '../surfaces.ts'

const anthropicVersion = '2023-06-01'

/** Path and query at the provider for `rest`, the path below the base. */
export function upstreamPath(
  provider: Provider,
  request: { readonly rest: string; readonly search: string; readonly model: string | null },
): string {
  const { basePath } = provider.baseUrl
  const { rest, search, model } = request
  const { apiVersion } = provider.options
  if (provider.kind === 'azure' && apiVersion !== null) {
    const deployment = model === null ? '' : `/deployments/${encodeURIComponent(model)}`
    const query = `${search === '' ? '?' : `${search}&`}api-version=${encodeURIComponent(apiVersion)}`
    return `${basePath}${deployment}/${rest}${query}`
  }
  // Anthropic's own base URL is customarily written without its version segment.
  const version = provider.kind === 'anthropic' && !basePath.endsWith('/v1') ? '/v1' : ''
  return `${basePath}${version}/${rest}${search}`
}

/** The headers by which the provider knows us, as a flat list; its own further headers included. */
export function providerHeaders(
  provider: Provider,
  credential: Credential,
  request: { readonly surface: Surface; readonly headers: readonly string[] },
): string[] {
  const list = request.headers.slice()
  if (!provider.options.forwardOrganization) {
    for (const name of accountHeaders) removeHeader(list, name)
  }
  for (const [name, value] of provider.headers) {
    removeHeader(list, name)
    list.push(name, value)
  }
  const isAnthropic = provider.kind === 'anthropic' && request.surface.family === 'anthropic'
  if (isAnthropic && !hasHeader(list, 'anthropic-version')) {
    list.push('anthropic-version', anthropicVersion)
  }
  const text = credential.secret?.reveal()
  if (text !== undefined) identify(list, text, { provider, isAnthropic })
  return list
}

function identify(
  list: string[],
  text: string,
  { provider, isAnthropic }: { readonly provider: Provider; readonly isAnthropic: boolean },
): void {
  if (provider.kind === 'azure') list.push('api-key', text)
  else if (isAnthropic) list.push('x-api-key', text)
  // Credentials of clients are gone, so one that is here was set for this provider on purpose.
  else if (provider.headers.length === 0 || !hasHeader(list, 'authorization'))
    list.push('authorization', `Bearer ${text}`)
}

/** Headers that name an account at OpenAI; with a credential of another account they are refused. */
const accountHeaders = ['openai-organization', 'openai-project']

function hasHeader(list: readonly string[], name: string): boolean {
  return list.some((part, at) => at % 2 === 0 && part.toLowerCase() === name)
}

/** Takes out every header of that name: which one of two counts is anybody's guess. */
function removeHeader(list: string[], name: string): void {
  for (let at = list.length - 2; at >= 0; at -= 2) {
    if (list[at]?.toLowerCase() === name) list.splice(at, 2)
  }
}
