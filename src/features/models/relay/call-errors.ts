import { AppError } from '../../../lib/errors.ts'
import type { ErrorCode } from '../../../lib/errors.ts'
import type { OutboundFailure } from '../../../net/outbound.ts'
import { headerOf } from './response-headers.ts'
import type { Target } from '../catalogue/resolve.ts'

const culprits: ReadonlyMap<ErrorCode, 'upstream' | 'timeout'> = new Map([
  ['upstream_timeout', 'timeout'],
  ['upstream_unreachable', 'upstream'],
  ['upstream_failed', 'upstream'],
])

/** Who broke a call off that ended with `error`; null where it was nobody on the way. */
export function culpritOf(error: AppError): 'upstream' | 'timeout' | null {
  return culprits.get(error.code) ?? null
}

/** What a client may be told of a failure of `target`. */
export function toCallError({ kind, phase, cause }: OutboundFailure, target: Target): AppError {
  // The body that was being sent is the client's own.
  if (kind === 'request' && cause instanceof AppError) return cause
  const { name } = target.provider
  if (kind === 'timeout') {
    return new AppError('upstream_timeout', `Provider "${name}" did not answer in time.`, { cause })
  }
  if (phase === 'connect') {
    return new AppError('upstream_unreachable', `Provider "${name}" could not be reached.`, {
      cause,
    })
  }
  return new AppError('upstream_failed', `Provider "${name}" broke the connection.`, { cause })
}

/** The same error for a call that was tried several times: three more attempts of the client behind each of ours would only multiply the load. */
export function withoutRetry(error: AppError): AppError {
  const headers = { ...error.details.headers, 'x-should-retry': 'false' }
  return new AppError(error.code, error.message, { ...error.details, headers })
}

/** Says the same in the headers (flat list) of an upstream's own answer, unless they speak of it. */
export function discourageRetry(headers: string[]): void {
  if (headerOf(headers, 'x-should-retry') === undefined) headers.push('x-should-retry', 'false')
}
