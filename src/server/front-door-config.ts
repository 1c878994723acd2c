import type { Config } from '../config/schema.ts'
import type { FrontDoorConfig } from '../net/front-door.ts'
import type { ListenerLimits } from '../net/http-listener.ts'

/** The two listeners, as the configuration names their settings. */
export type ListenerName = 'public' | 'dashboard'

/** What a listener lets in. */
export function frontDoorConfig(config: Config, listener: ListenerName): FrontDoorConfig {
  const { server, limits } = config
  const isPublic = listener === 'public'
  const url = isPublic ? server.publicUrl : server.dashboardUrl
  return {
    listenHost: isPublic ? server.host : server.dashboardHost,
    ownUrls: url === undefined ? [] : [url],
    allowedHosts: server.allowedHosts,
    allowedOrigins: isPublic ? server.allowedOrigins : [],
    trustedProxies: server.trustedProxies,
    headersMax: limits.headerCountMax,
    urlBytesMax: limits.urlBytesMax,
  }
}

/** How patient a listener is. Bodies are left to whoever reads them: an upload may take as long as it makes progress. */
export function listenerLimits({ limits }: Config): ListenerLimits {
  return {
    headBytesMax: limits.headerBytesMax,
    headersTimeoutMs: limits.headersTimeoutMs,
    requestTimeoutMs: 0,
    keepAliveTimeoutMs: limits.keepAliveTimeoutMs,
  }
}
