import { AppError } from '../../../lib/errors.ts'

/** Names that meet a path of `/mcp/…` or of `/api/services/…`. */
const reservedNames: ReadonlySet<string> = new Set([
  'all',
  'bundles',
  'commands',
  'export',
  'fileshare',
  'health',
  'import',
  'message',
  'proxy',
  'room',
  'sequentialthinking',
  'sse',
  'think',
  'tunnel',
  'ws',
])

/** First segments of paths that belong to something else. */
const reservedSegments: ReadonlySet<string> = new Set([
  'api',
  'create-session',
  'discover-server',
  'health',
  'healthz',
  'metrics',
  'not-found',
  'readyz',
  'register-server',
  'shared',
  'stats',
  't',
  'tunnel',
  'v1',
])

/** What ids look like: a name of that form could be taken for one. */
const idPattern = /^(?:mcp-\d+-[a-z0-9]{9}|bundle_[0-9a-f]{32})$/i

const nameLengthMax = 64
const base36 = '0123456789abcdefghijklmnopqrstuvwxyz'

/** A new id of a service, in the form of MCP Reverse Proxy: `mcp-<epoch ms>-<9 characters base 36>`. */
export function newServiceId(now: number): string {
  const random = crypto.getRandomValues(new Uint32Array(9))
  return `mcp-${now}-${Array.from(random, (number) => base36[number % base36.length]).join('')}`
}

/** Throws `reserved_name` for a name that a service or bundle cannot have. */
export function refuseReservedName(name: string): void {
  if (!isReserved(name)) return
  throw new AppError('reserved_name', `The name "${name}" belongs to Portico itself.`, {
    param: 'name',
  })
}

/** A valid name made of any text, other than those for which `isTaken` says so. */
export function deriveName(title: string, isTaken: (name: string) => boolean): string {
  const plain = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
  const base = plain === '' ? 'service' : plain.slice(0, nameLengthMax)
  const isFree = (name: string): boolean => !isReserved(name) && !isTaken(name)
  let name = base
  for (let number = 2; !isFree(name); number += 1) {
    const suffix = `-${number}`
    name = base.slice(0, nameLengthMax - suffix.length) + suffix
  }
  return name
}

/**
 * A further path of a service as it is stored: with a leading slash and without a trailing one.
 * Throws `invalid_request` for what is no plain path, `reserved_name` for one that leads elsewhere.
 */
export function normalizePath(text: string): string {
  const path = `/${text.replace(/^\/+|\/+$/g, '')}`
  const segments = path.slice(1).split('/')
  const isPlain = segments.every((part) => /^[A-Za-z0-9._~-]+$/.test(part) && !/^\.+$/.test(part))
  if (!isPlain || path.length > 500) {
    throw new AppError('invalid_request', 'The path must be segments of plain characters.', {
      param: 'path',
    })
  }
  const [first = '', second, third] = segments
  const isMcp = first === 'mcp'
  const meetsRoute = isMcp
    ? second === undefined || isReserved(second) || third === 'health'
    : reservedSegments.has(first.toLowerCase())
  if (meetsRoute) {
    throw new AppError('reserved_name', `The path ${path} belongs to Portico itself.`, {
      param: 'path',
    })
  }
  return path
}

/** The service or bundle that the first two segments of a path below `/mcp` would name. */
export function nameInPath(path: string): string | undefined {
  const [, first, second] = path.split('/')
  return first === 'mcp' ? second : undefined
}

function isReserved(name: string): boolean {
  return reservedNames.has(name.toLowerCase()) || idPattern.test(name)
}
