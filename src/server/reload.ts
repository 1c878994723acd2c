import { restartOnly } from '../config/restart.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

/** What a reload needs. */
export interface ReloadDependencies {
  /** Reads the configuration anew. Throws `invalid_config`. */
  readonly load: () => Config
  readonly log: Log
  /** Makes the new configuration effective. */
  readonly apply: (next: Config) => Promise<void>
}

/**
 * Creates the function that reloads the configuration: an invalid one changes nothing and is reported, a valid one
 * takes effect as a whole. Settings that need a restart are named and keep their value until then.
 */
export function createReload(
  { load, log, apply }: ReloadDependencies,
  current: () => Config,
): () => Promise<boolean> {
  return async () => {
    const next = attempt(load)
    if (next instanceof AppError) {
      log.error({ issues: next.details.issues, err: next.message }, 'configuration not reloaded')
      return false
    }
    const waiting = restartOnly(current(), next)
    if (waiting.length > 0) log.warn({ settings: waiting }, 'changed settings need a restart')
    await apply(next)
    log.info('configuration reloaded')
    return true
  }
}

function attempt(load: () => Config): Config | AppError {
  try {
    return load()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}
