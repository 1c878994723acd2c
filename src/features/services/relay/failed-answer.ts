import { AppError } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { Service } from '../service.ts'
import { RpcError, toRpcError } from '../wire/rpc-error.ts'
import { makeError, type RpcResponse } from '../wire/rpc-message.ts'
import { nameFailure } from './named-failure.ts'
import type { ClientCall } from './relay.ts'
import { withoutOutput } from './without-output.ts'

/** What a client is told of an answer that could not be made: what nobody foresaw goes to the log, and to nobody else. */
export function toAnswer(
  error: unknown,
  { request, requestId }: ClientCall,
  { log, service }: { readonly log: Log; readonly service: () => Service },
): RpcResponse | AppError {
  if (error instanceof RpcError) return makeError(request.id, error)
  if (error instanceof AppError) return nameFailure(withoutOutput(error), service().name)
  log.error({ err: error }, `${request.method} failed`)
  return makeError(request.id, toRpcError(error, requestId))
}
