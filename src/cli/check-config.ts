import { listWarnings } from '../config/warnings.ts'
import { readOptions } from './config-options.ts'
import type { ConfigOptions } from './config-options.ts'

/** Prints whether the configuration is valid and what is unwise about it. Throws `invalid_config` with every mistake. */
export function checkConfig(options: ConfigOptions): void {
  const origin = readOptions(options)
  const warnings = listWarnings(origin.load())
  console.log(`The configuration is valid (${origin.file ?? 'no file'}, environment, options).`)
  for (const warning of warnings) console.log(`warning: ${warning}`)
}
