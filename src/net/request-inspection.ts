import type { IncomingMessage } from 'node:http'
import { AppError } from '../lib/errors.ts'
import type { PresentedCredential } from './exchange.ts'
import { carrierHeaders, isGuardedHeader, isUnderscoreTwin } from './header-names.ts'
import { takeQueryCredentials } from './query-credentials.ts'
import { remember } from './remember.ts'
import { normalisePath } from './request-path.ts'

/** Bounds on the head of a request. */
export interface HeadLimits {
  /** Header fields. */
  readonly headersMax: number
  /** Path and query. */
  readonly urlBytesMax: number
}

/** What the head of a request says, once nothing in it can be read in two ways. */
export interface Inspection {
  readonly host: string
  readonly path: string
  readonly search: string
  readonly credentials: readonly PresentedCredential[]
  /** `X-Forwarded-For` fields in order of arrival, as the client or a proxy sent them. */
  readonly forwardedFor: readonly string[]
  /** The request asks for another protocol. If it is not taken up, no further request is read from the connection. */
  readonly asksUpgrade: boolean
}

/**
 * Reads the head of a request, or says why it is to be refused: `http_version_not_supported`, `method_not_allowed`, `uri_too_long`,
 * `headers_too_large`, `invalid_framing`, `invalid_path`. What Node's parser accepts and two servers might understand differently
 * (RFC 9112 section 11) is refused here.
 */
export function inspectHead(req: IncomingMessage, limits: HeadLimits): Inspection | AppError {
  const unfit = findUnfit(req, limits)
  if (unfit !== undefined) return unfit
  const seen = new SeenHeaders()
  const { rawHeaders } = req
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const role = headerRole(rawHeaders[index] as string)
    if (role === null) continue
    const refusal = role(seen, rawHeaders[index + 1] as string)
    if (refusal !== undefined) return refusal
  }
  if (seen.host === undefined) return framing('There is no Host header.')
  if (seen.hasTransferEncoding && req.httpVersionMinor === 0) {
    return framing('HTTP/1.0 has no Transfer-Encoding.')
  }
  return inspectTarget(req.url ?? '', seen, seen.host)
}

/** Header fields that mean something to the front door, collected in one pass. */
class SeenHeaders {
  host: string | undefined = undefined
  hasTransferEncoding = false
  asksUpgrade = false
  readonly credentials: PresentedCredential[] = []
  readonly forwardedFor: string[] = []
}

type HeaderRole = (seen: SeenHeaders, value: string) => AppError | undefined

const headerRole = remember((name): HeaderRole | null => {
  const lowerName = name.toLowerCase()
  const carrier = carrierHeaders.get(lowerName)
  if (carrier === 'authorization') return noteAuthorization
  if (carrier !== undefined) {
    return (seen, text) => {
      if (text !== '') seen.credentials.push({ carrier, text })
      return undefined
    }
  }
  if (isUnderscoreTwin(lowerName)) return () => framing(`The header "${name}" has underscores.`)
  return otherRoles.get(lowerName) ?? null
})

const otherRoles: ReadonlyMap<string, HeaderRole> = new Map<string, HeaderRole>([
  ['host', noteHost],
  ['connection', checkConnection],
  ['transfer-encoding', noteTransferEncoding],
  ['upgrade', noteUpgrade],
  ['x-forwarded-for', noteForwardedFor],
])

function noteHost(seen: SeenHeaders, value: string): AppError | undefined {
  if (seen.host !== undefined) return framing('There are two Host headers.')
  seen.host = value
  return undefined
}

function checkConnection(_seen: SeenHeaders, value: string): AppError | undefined {
  return namesGuardedHeader(value)
    ? framing('The Connection header names a header that is not hop-by-hop.')
    : undefined
}

function noteTransferEncoding(seen: SeenHeaders): undefined {
  seen.hasTransferEncoding = true
}

function noteUpgrade(seen: SeenHeaders): undefined {
  seen.asksUpgrade = true
}

function noteForwardedFor(seen: SeenHeaders, value: string): undefined {
  seen.forwardedFor.push(value)
}

function noteAuthorization(seen: SeenHeaders, value: string): undefined {
  if (value.length <= 7 || value.charCodeAt(6) !== space) return
  if (value.slice(0, 6).toLowerCase() !== 'bearer') return
  const text = value.slice(7).trim()
  if (text !== '') seen.credentials.push({ carrier: 'authorization', text })
}

const space = 0x20

/** Whoever gets an identity or framing header declared hop-by-hop has the next hop remove it, and its protection with it. */
const namesGuardedHeader = remember((value): boolean =>
  value.split(',').some((token) => {
    const name = token.trim().toLowerCase()
    return isGuardedHeader(name)
  }),
)

function findUnfit(req: IncomingMessage, limits: HeadLimits): AppError | undefined {
  if (req.httpVersionMajor !== 1) {
    return new AppError('http_version_not_supported', `HTTP/${req.httpVersion} is not spoken here.`)
  }
  if (req.method === 'TRACE') return methodNotAllowed('TRACE')
  if ((req.url?.length ?? 0) > limits.urlBytesMax) {
    return new AppError('uri_too_long', `The URL is longer than ${limits.urlBytesMax} bytes.`)
  }
  if (req.rawHeaders.length > limits.headersMax * 2) {
    return new AppError('headers_too_large', `There are more than ${limits.headersMax} headers.`)
  }
  return undefined
}

/** The refusal of a method that no route has. */
export function methodNotAllowed(method: string): AppError {
  return new AppError('method_not_allowed', `${method} is not served here.`, {
    headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
  })
}

function inspectTarget(url: string, seen: SeenHeaders, host: string): Inspection | AppError {
  const target = url.charCodeAt(0) === slash ? url : fromAbsoluteForm(url, host)
  if (target === undefined) return framing('The request target does not fit the Host header.')
  const queryAt = target.indexOf('?')
  const rawPath = queryAt < 0 ? target : target.slice(0, queryAt)
  const path = normalisePath(rawPath)
  if (path === undefined) {
    return new AppError('invalid_path', 'The path can be read in more than one way.')
  }
  const search = queryAt < 0 ? '' : takeQueryCredentials(target.slice(queryAt), seen.credentials)
  const { credentials, forwardedFor, asksUpgrade } = seen
  return { host, path, search, credentials, forwardedFor, asksUpgrade }
}

const slash = 0x2f

/** Path and query of `http://host/path`, which a client may send to an origin server as well, provided that it names the same host. */
function fromAbsoluteForm(url: string, host: string): string | undefined {
  const [, authority = '', rest = ''] = /^https?:\/\/([^/?#]+)(.*)$/i.exec(url) ?? []
  if (authority.toLowerCase() !== host.toLowerCase()) return undefined
  return rest.startsWith('/') ? rest : `/${rest}`
}

function framing(message: string): AppError {
  return new AppError('invalid_framing', message)
}
