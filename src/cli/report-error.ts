import { AppError, errorDefinitions } from '../lib/errors.ts'

const failed = 1
const wrongUsage = 2

/**
 * Prints an error for the person at the terminal, on standard error, and returns the exit code it calls for.
 * What the system refuses, e.g. a port in use, explains itself; any other error is a defect of ours and is printed with its stack.
 */
export function reportError(error: unknown): number {
  if (!(error instanceof AppError)) {
    console.error(isSystemError(error) ? `portico: ${error.message}` : error)
    return failed
  }
  console.error(`portico: ${error.message}`)
  for (const { path, message } of error.details.issues ?? []) console.error(`  ${path}: ${message}`)
  console.error(error.details.hint ?? errorDefinitions[error.code].remedy)
  return error.code === 'invalid_config' ? wrongUsage : failed
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}
