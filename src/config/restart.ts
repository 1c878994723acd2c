import type { Config } from './schema.ts'
import { Secret } from './secret.ts'

/** Settings that are read once, at the start. Everything else takes effect on reload. */
const restartPaths = [
  'server.host',
  'server.port',
  'server.dashboardHost',
  'server.dashboardPort',
  'dataDir',
  'databaseUrl',
  'redisUrl',
  'adminKey',
  'encryptionKey',
  'previousEncryptionKeys',
  'log.level',
  'limits.headerBytesMax',
  'limits.headersTimeoutMs',
  'limits.keepAliveTimeoutMs',
  'limits.jsonBytesMax',
  'limits.connectionsMax',
  'limits.connectionsPerIpMax',
  'limits.requestsPerSocketMax',
  'limits.slowReadBytesPerSecondMin',
  'limits.slowReadWindowMs',
  'usage.flushMs',
  'usage.queueRowsMax',
] as const

/** Says whether a change of the setting needs a restart. */
export function needsRestart(path: string): boolean {
  return restartPaths.some((restartPath) => path === restartPath)
}

/** The settings that differ and take effect only after a restart, as dotted paths. */
export function restartOnly(before: Config, after: Config): string[] {
  return restartPaths.filter((path) => !isSame(valueAt(before, path), valueAt(after, path)))
}

function valueAt(config: Config, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => {
    return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  }, config)
}

function isSame(one: unknown, other: unknown): boolean {
  if (one instanceof Secret && other instanceof Secret) return one.equals(other)
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSame(item, other[index]))
  }
  return one === other
}
