import { AppError } from '../../../lib/errors.ts'

/** A failure of a server or program as its callers are told it: with the name of the service, since clients may use several as one. */
export function nameFailure(error: AppError, service: string): AppError {
  if (error.status < 500 || error.message.includes(service)) return error
  const { details, code, message } = error
  return new AppError(code, `${service}: ${message}`, { ...details, cause: error })
}
