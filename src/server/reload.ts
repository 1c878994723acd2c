import { keepUntilRestart, restartOnly } from '../config/restart.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

/** What a reload needs. */
export interface ReloadDependencies {
  /** Reads the configuration anew. Throws `invalid_config`. */
  readonly load: () => Config
  readonly log: Log
  /** Makes the new configuration effective; when it rejects, the old one stays. */
  readonly apply: (next: Config) => Promise<void>
}

/**
 * Creates the function that reloads the configuration: an invalid one changes nothing and is reported, a valid one
 * takes effect as a whole. Settings that need a restart are named and keep their value until then.
 * It resolves to whether the reload took effect; one begins when the one before is through.
 */
export function createReload(
  { load, log, apply }: ReloadDependencies,
  current: () => Config,
): () => Promise<boolean> {
  async function reload(): Promise<boolean> {
    const next = load()
    const waiting = restartOnly(current(), next)
    if (waiting.length > 0) log.warn({ settings: waiting }, 'changed settings need a restart')
    await apply(keepUntilRestart(current(), next))
    log.info('configuration reloaded')
    return true
  }

  let last = Promise.resolve(true)
  return () => {
    last = last.then(reload).catch((error: unknown) => {
      report(error, log)
      return false
    })
    return last
  }
}

function report(error: unknown, log: Log): void {
  const message = 'configuration not reloaded'
  if (!(error instanceof AppError)) return log.error({ err: error }, message)
  return log.error({ issues: error.details.issues, reason: error.message }, message)
}
