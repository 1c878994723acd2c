import { AppError, errorDefinitions } from '../lib/errors.ts'

const failed = 1
const wrongUsage = 2

/**
 * Prints an error for the person at the terminal, on standard error, and returns the exit code it calls for.
 * An error without a code is a defect of ours and is printed with its stack.
 */
export function reportError(error: unknown): number {
  if (!(error instanceof AppError)) {
    console.error(error)
    return failed
  }
  console.error(`portico: ${error.message}`)
  for (const { path, message } of error.details.issues ?? []) console.error(`  ${path}: ${message}`)
  console.error(error.details.hint ?? errorDefinitions[error.code].remedy)
  return error.code === 'invalid_config' ? wrongUsage : failed
}
