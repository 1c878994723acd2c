import type { Config } from '../config/schema.ts'
import { watchConfig } from '../config/watch.ts'
import { createAccessLog } from './access-log.ts'
import { drain } from './drain.ts'
import { openFeatures } from './features.ts'
import type { Features } from './features.ts'
import { openListeners } from './listeners.ts'
import { createLineWriter, createLogger, openStandardOutput } from './logging.ts'
import type { LogDestination } from './logging.ts'
import { createServerMetrics } from './metrics.ts'
import type { ServerMetrics } from './metrics.ts'
import { createReload } from './reload.ts'
import { loggableRoute } from './routes.ts'

/** What a server is started with. */
export interface ServerOptions {
  readonly config: Config
  /** The configuration file to watch, where there is one. */
  readonly configFile?: string | undefined
  /** Reads the configuration anew. Throws `invalid_config`. Without it there is nothing to reload. */
  readonly reload?: () => Config
  /** Where log lines go; standard output by default. */
  readonly logTo?: LogDestination | undefined
}

/** A running server. Disposing of it finishes what runs, up to the configured time, and then closes everything. */
export interface RunningServer extends AsyncDisposable {
  readonly publicUrl: string
  readonly dashboardUrl: string
  /** The admin key, when this start has made it. It is not shown again. */
  readonly generatedAdminKey: string | undefined
  /** Reads the configuration anew; resolves to whether it took effect. */
  reload(): Promise<boolean>
}

/** Starts everything, from the store to the listeners. Throws what `openFeatures` throws, and what listening does. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  let current = options.config
  let isDraining = false
  const config = (): Config => current
  await using scope = new AsyncDisposableStack()
  const destination = options.logTo ?? openStandardOutput()
  const log = createLogger(current.log.level, destination)
  scope.defer(() => log.flush())
  const metrics = createServerMetrics()
  const features = await openFeatures(scope, config, { log, metrics })
  registerGauges(metrics, features)
  const listeners = await openListeners(scope, config, {
    features,
    metrics,
    log,
    isDraining: () => isDraining,
    accessLog: createAccessLog({
      write: createLineWriter(destination),
      metrics,
      loggablePath: loggableRoute,
      isEnabled: () => current.log.access,
    }),
  })
  const reload = createReload(
    {
      load: options.reload ?? config,
      log,
      async apply(next) {
        const before = current
        current = next
        await features.models.reload().catch((error: unknown) => {
          current = before
          throw error
        })
        log.level = next.log.level
      },
    },
    config,
  )
  if (options.configFile !== undefined) {
    scope.defer(watchConfig({ file: options.configFile, onChange: () => void reload() }))
  }
  // Nobody waits for them: lists are answered from what is known, and a call starts what it needs.
  void features.services.startAll()
  const owned = scope.move()
  return {
    publicUrl: listeners.publicUrl,
    dashboardUrl: listeners.dashboardUrl,
    generatedAdminKey: features.generatedAdminKey,
    reload,
    async [Symbol.asyncDispose]() {
      isDraining = true
      await drain(listeners.public, features, current.server.shutdownTimeoutMs)
      await owned.disposeAsync()
    },
  }
}

function registerGauges({ registry }: ServerMetrics, { keys, models, services }: Features): void {
  registry.gauge(
    { name: 'portico_mcp_calls_running', help: 'MCP calls that run, streams included.' },
    () => services.front.running,
  )
  registry.gauge(
    { name: 'portico_mcp_sessions', help: 'MCP sessions and connections that are open.' },
    () => {
      const { streamable, sse, webSocket } = services.front.sessions
      return streamable + sse + webSocket
    },
  )
  registry.gauge(
    { name: 'portico_model_calls_running', help: 'Model calls that run, streams included.' },
    () => models.running,
  )
  registry.gauge(
    { name: 'portico_usage_rows_queued', help: 'Usage rows that wait to be written.' },
    () => keys.usageRowsQueued,
  )
  registry.gauge(
    { name: 'portico_usage_rows_dropped', help: 'Usage rows lost since the start.' },
    () => keys.usageRowsDropped,
  )
}
