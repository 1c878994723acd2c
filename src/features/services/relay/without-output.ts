import { AppError } from '../../../lib/errors.ts'

/**
 * The failure of a service as its clients are told it. What a program printed before it ended may hold what only those
 * may see who manage it; they find it in its log.
 */
export function withoutOutput(error: AppError): AppError {
  if (error.code !== 'service_failed') return error
  const { hint: _, ...details } = error.details
  return new AppError(error.code, error.message, details)
}
