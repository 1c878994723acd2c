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

/** `after`, but with the values of `before` where a change takes effect only after a restart. */
export function keepUntilRestart(before: Config, after: Config): Config {
  return keepIn(before, after, []) as Config
}

function keepIn(before: unknown, after: unknown, path: readonly string[]): unknown {
  if (needsRestart(path.join('.'))) return before
  if (!isSection(before) || !isSection(after)) return after
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return Object.freeze(
    Object.fromEntries(
      [...names].map((name) => [name, keepIn(before[name], after[name], [...path, name])]),
    ),
  )
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && value.constructor === Object
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
