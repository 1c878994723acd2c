import type { Credential, Provider } from './provider.ts'
import type { Surface } from './surfaces.ts'

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
  for (const [name, value] of provider.headers) setHeader(list, name, value)
  const text = credential.secret?.reveal()
  if (provider.kind === 'azure') {
    if (text !== undefined) list.push('api-key', text)
  } else if (provider.kind === 'anthropic' && request.surface.family === 'anthropic') {
    if (text !== undefined) list.push('x-api-key', text)
    if (!hasHeader(list, 'anthropic-version')) list.push('anthropic-version', anthropicVersion)
  } else if (text !== undefined) list.push('authorization', `Bearer ${text}`)
  return list
}

function hasHeader(list: readonly string[], name: string): boolean {
  return indexOfHeader(list, name) >= 0
}

function setHeader(list: string[], name: string, value: string): void {
  const at = indexOfHeader(list, name)
  if (at < 0) list.push(name, value)
  else list[at + 1] = value
}

function indexOfHeader(list: readonly string[], name: string): number {
  for (let at = 0; at < list.length; at += 2) {
    if (list[at]?.toLowerCase() === name) return at
  }
  return -1
}
