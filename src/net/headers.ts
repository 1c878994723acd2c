import { carrierHeaders, hopByHopHeaders, isPeerHeader, isUnderscoreTwin } from './header-names.ts'
import { remember } from './remember.ts'

/** How a request asks the upstream for compression. */
export interface RequestHeaderOptions {
  /** `identity` where the body is to be read on its way, `pass` to leave the choice to the client. */
  readonly acceptEncoding: 'identity' | 'pass'
}

/**
 * The headers of a request that go on to an upstream: a flat list name, value, … in the order and spelling of the client.
 * Everything passes except hop-by-hop headers, framing, what carries a key of ours or a cookie, and what only a proxy in front may say.
 */
export function forwardRequestHeaders(
  rawHeaders: readonly string[],
  options: RequestHeaderOptions,
): string[] {
  const forwarded: string[] = []
  const asksIdentity = options.acceptEncoding === 'identity'
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const fate = requestFate(name)
    if (fate === 'drop' || (fate === 'encoding' && asksIdentity)) continue
    forwarded.push(name, rawHeaders[index + 1] as string)
  }
  if (asksIdentity) forwarded.push('accept-encoding', 'identity')
  return forwarded
}

/**
 * The headers of an upstream's response that go on to the client: a flat list name, value, … in the order and spelling of the upstream.
 * Everything passes except hop-by-hop headers and what would speak for our origin: cookies, CORS, transport and reporting policy, `server`.
 */
export function forwardResponseHeaders(rawHeaders: readonly string[]): string[] {
  const forwarded: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (responseFate(name) === 'keep') forwarded.push(name, rawHeaders[index + 1] as string)
  }
  return forwarded
}

const requestOnlyDrops: ReadonlySet<string> = new Set([
  'content-length',
  'cookie',
  // Our own server has answered `100 Continue` already.
  'expect',
  'host',
])

const requestFate = remember((name): 'keep' | 'drop' | 'encoding' => {
  const lowerName = name.toLowerCase()
  if (lowerName === 'accept-encoding') return 'encoding'
  const isDropped =
    hopByHopHeaders.has(lowerName) ||
    requestOnlyDrops.has(lowerName) ||
    carrierHeaders.has(lowerName) ||
    isPeerHeader(lowerName) ||
    isUnderscoreTwin(lowerName)
  return isDropped ? 'drop' : 'keep'
})

const responseOnlyDrops: ReadonlySet<string> = new Set([
  'alt-svc',
  'clear-site-data',
  'content-security-policy',
  'cross-origin-opener-policy',
  'nel',
  'permissions-policy',
  'public-key-pins',
  'referrer-policy',
  'report-to',
  'reporting-endpoints',
  'server',
  'set-cookie',
  'set-cookie2',
  'strict-transport-security',
  'x-content-type-options',
  'x-powered-by',
])

const responseFate = remember((name): 'keep' | 'drop' => {
  const lowerName = name.toLowerCase()
  const isDropped =
    hopByHopHeaders.has(lowerName) ||
    responseOnlyDrops.has(lowerName) ||
    lowerName.startsWith('access-control-') ||
    lowerName.startsWith('x-gateway-')
  return isDropped ? 'drop' : 'keep'
})
