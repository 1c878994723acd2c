import type { Config } from './schema.ts'
import type { Mistake } from './mistakes.ts'

/** Settings that are each right and cannot be right together. */
export function findContradictions(config: Config): Mistake[] {
  const { server, models } = config
  const rules: readonly (readonly [isBroken: boolean, path: string, message: string])[] = [
    [
      server.port !== 0 && server.port === server.dashboardPort,
      'server.dashboardPort',
      'must differ from server.port: the dashboard needs an origin of its own',
    ],
    [
      server.publicUrl !== undefined &&
        originOf(server.publicUrl) === originOf(server.dashboardUrl),
      'server.dashboardUrl',
      'must not share its origin with server.publicUrl: pages of others are served there',
    ],
    [
      models.cooldown.baseMs > models.cooldown.maxMs,
      'models.cooldown.baseMs',
      'must not be longer than models.cooldown.maxMs',
    ],
  ]
  return rules
    .filter(([isBroken]) => isBroken)
    .map(([, path, message]) => ({ where: '', path, message }))
}

function originOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).origin
}
