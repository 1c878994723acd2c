import { AppError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../net/exchange.ts'
import { RpcError } from '../wire/rpc-error.ts'
import type { IdText } from '../wire/rpc-message.ts'
import { refuseRpc, RpcRefusal } from './rpc-answer.ts'
import type { ActiveCalls } from './active-calls.ts'
import type { TransportContext } from './front-dependencies.ts'
import type { SessionTable } from './session-table.ts'
import type { Sweep } from './sweep.ts'

/** What all transports share. */
export interface FrontParts extends TransportContext {
  readonly sessions: SessionTable
  /** Requests that have no session. */
  readonly active: ActiveCalls
  readonly sweep: Sweep
  /** Whether new streams are refused, because everything is about to close. */
  readonly isStopping: () => boolean
}

/** Answers with whatever went wrong; what nobody foresaw is logged. */
export function refuseWith(
  { dependencies }: Pick<FrontParts, 'dependencies'>,
  exchange: Exchange,
  { failure, id = null }: { readonly failure: unknown; readonly id?: IdText | null },
): void {
  if (!isForeseen(failure)) {
    dependencies.log.error({ err: failure, id: exchange.id }, 'MCP request failed')
  }
  refuseRpc(exchange, failure, id)
}

/** Whether an error was thrown to be told to the client. */
export function isForeseen(failure: unknown): boolean {
  return failure instanceof RpcRefusal || failure instanceof AppError || failure instanceof RpcError
}
