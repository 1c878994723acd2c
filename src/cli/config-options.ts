import { commandVariables, numberOrText, processEnvironment } from '../config/environment.ts'
import type { SourcedValue } from '../config/environment.ts'
import { findConfigFile } from '../config/file.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'

/** The options with which every command that needs the configuration can be called, as typed. */
export interface ConfigOptions {
  readonly config?: string
  readonly host?: string
  readonly port?: string
  readonly dashboardPort?: string
  readonly dataDir?: string
  readonly publicUrl?: string
  readonly logLevel?: string
}

/** Where the configuration of a command comes from. */
export interface ConfigOrigin {
  /** The configuration file, where there is one. */
  readonly file: string | undefined
  /** Reads the file, the environment and the options anew. Throws `invalid_config`. */
  load(): Config
}

/** Finds the configuration file and turns the options into settings. */
export function readOptions(options: ConfigOptions): ConfigOrigin {
  const env = processEnvironment()
  const file = options.config ?? env[commandVariables.config] ?? findConfigFile('.')
  const overrides = toSettings(options)
  return { file, load: () => loadConfig({ file, env, overrides }) }
}

function toSettings(options: ConfigOptions): SourcedValue[] {
  const { host, port, dashboardPort, dataDir, publicUrl, logLevel } = options
  return [
    { name: '--host', path: 'server.host', value: host },
    { name: '--port', path: 'server.port', value: port && numberOrText(port) },
    {
      name: '--dashboard-port',
      path: 'server.dashboardPort',
      value: dashboardPort && numberOrText(dashboardPort),
    },
    { name: '--data-dir', path: 'dataDir', value: dataDir },
    { name: '--public-url', path: 'server.publicUrl', value: publicUrl },
    { name: '--log-level', path: 'log.level', value: logLevel },
  ].filter(({ value }) => value !== undefined)
}
