import type { Exchange, Inbound, UpgradeRequest } from '../net/exchange.ts'
import type { ListenerHandlers } from '../net/http-listener.ts'
import { loggablePath } from '../net/loggable-path.ts'

/** Where requests can go. Each takes the exchange over and answers it, whatever happens. */
export interface Destinations {
  /** `rest` is the path below the base of the models API, without a leading slash. */
  models(exchange: Exchange, rest: string): void
  modelsUpgrade(request: UpgradeRequest, rest: string): void
  /** `rest` is the path below `/mcp`, `''` or with a leading slash. */
  services(exchange: Exchange, rest: string): void
  servicesUpgrade(request: UpgradeRequest, rest: string): void
  /** A WebSocket of the management API. */
  managementUpgrade(request: UpgradeRequest): void
  management(exchange: Exchange): void
  /** Health, metrics, our own pages: by exact path. Returns false for a path that is none of them. */
  server(exchange: Exchange): boolean
  /** `/{key}`: settings of the workspace that the key manages, or the way to the dashboard. */
  settings(exchange: Exchange, key: string): void
  notFound(exchange: Exchange): void
  upgradeNotFound(request: UpgradeRequest): void
}

/** Segments of the models API that are served directly below `/api`, beside the management routes. */
export type ApiSegments = ReadonlySet<string>

/** First path segments that are Portico's own, so that nothing with a name of the user's choice may take them. */
const reservedSegments: ReadonlySet<string> = new Set([
  'api',
  'create-session',
  'discover-server',
  'health',
  'healthz',
  'mcp',
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

/** The path of a request as it may be written down: what follows the slash of `/{key}` is a key, whatever it looks like. */
export function loggableRoute(inbound: Inbound): string {
  return isSettings(inbound.path) ? '/[key]' : loggablePath(inbound)
}

/** Sends every request of the public listener where it belongs: the only place where paths meet features. */
export function createPublicRoutes(to: Destinations, apiSegments: ApiSegments): ListenerHandlers {
  return {
    onExchange(exchange) {
      const { path } = exchange
      const rest = modelsRest(path, apiSegments)
      const below = servicesRest(path)
      if (below !== undefined) to.services(exchange, below)
      else if (rest !== undefined) to.models(exchange, rest)
      else if (to.server(exchange)) return
      else if (path.startsWith('/api/')) to.management(exchange)
      else if (path === '/not-found' || isSettings(path)) to.settings(exchange, path.slice(1))
      else to.notFound(exchange)
    },
    onUpgrade(request) {
      const rest = modelsRest(request.path, apiSegments)
      const below = servicesRest(request.path)
      if (below !== undefined) to.servicesUpgrade(request, below)
      else if (rest !== undefined) to.modelsUpgrade(request, rest)
      else if (request.path.startsWith('/api/')) to.managementUpgrade(request)
      else to.upgradeNotFound(request)
    },
  }
}

/** Path below the base of the models API: `/v1/…`, `/api/v1/…`, `/api/<one of its segments>…`. */
function modelsRest(path: string, apiSegments: ApiSegments): string | undefined {
  if (path.startsWith('/v1/')) return path.slice('/v1/'.length)
  if (path.startsWith('/api/v1/')) return path.slice('/api/v1/'.length)
  if (!path.startsWith('/api/')) return undefined
  const rest = path.slice('/api/'.length)
  const slash = rest.indexOf('/')
  return apiSegments.has(slash < 0 ? rest : rest.slice(0, slash)) ? rest : undefined
}

/** Path below `/mcp`. */
function servicesRest(path: string): string | undefined {
  if (path === '/mcp') return ''
  return path.startsWith('/mcp/') ? path.slice('/mcp'.length) : undefined
}

function isSettings(path: string): boolean {
  const name = path.slice(1)
  return name !== '' && !name.includes('/') && !reservedSegments.has(name)
}
