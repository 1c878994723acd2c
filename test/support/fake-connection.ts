import type { AppError } from '../../src/lib/errors.ts'
import type {
  CallOptions,
  CallSink,
  Connection,
} from '../../src/features/services/upstream/connection.ts'
import type { JsonObject } from '../../src/features/services/wire/json.ts'
import {
  makeError,
  makeRawResult,
  paramsOf,
  type RpcNotification,
  type RpcRequest,
} from '../../src/features/services/wire/rpc-message.ts'
import type { Era } from '../../src/features/services/wire/protocol-versions.ts'
import type { RpcError } from '../../src/features/services/wire/rpc-error.ts'

/** One request as the server got it, and the way to answer it. */
export interface SentCall {
  readonly request: RpcRequest
  readonly method: string
  readonly params: JsonObject
  readonly sink: CallSink
  readonly options: CallOptions | undefined
  /** Whether it was given up. */
  readonly isCancelled: boolean
  /** Answers with a result; text is taken for JSON. */
  answer(result: JsonObject | string): void
  refuse(error: RpcError): void
}

/** A connection whose server is the test. */
export interface FakeConnection extends Connection {
  /** Every request, in order. */
  readonly sent: readonly SentCall[]
  readonly notified: readonly RpcNotification[]
  readonly methods: readonly string[]
  /** The latest request. Throws where there was none. */
  readonly last: SentCall
  /** Whether it is over. */
  readonly isOver: boolean
  /** The server goes away. */
  end(reason: AppError): void
}

/** What a fake says of itself, and how it answers by itself. */
export interface FakeConnectionOptions {
  readonly era?: Era
  readonly capabilities?: JsonObject
  readonly attributesRequests?: boolean
  /** Hears every request at once, and may answer it. */
  readonly onRequest?: (call: SentCall) => void
}

/** Creates a connection that answers nothing by itself. */
export function createFakeConnection(options: FakeConnectionOptions = {}): FakeConnection {
  const { era = 'legacy', capabilities = {}, attributesRequests = false, onRequest } = options
  const sent: SentCall[] = []
  const notified: RpcNotification[] = []
  const closed = Promise.withResolvers<AppError | undefined>()
  let isOver = false
  const finish = (reason: AppError | undefined) => {
    isOver = true
    closed.resolve(reason)
  }
  return {
    era,
    attributesRequests,
    hello: {
      era,
      protocolVersion: era === 'legacy' ? '2025-11-25' : '2026-07-28',
      capabilities,
      serverInfo: { name: 'fake', version: '1' },
      instructions: undefined,
      result: {},
    },
    sent,
    notified,
    closed: closed.promise,
    get methods() {
      return sent.map(({ method }) => method)
    },
    get last() {
      const call = sent.at(-1)
      if (call === undefined) throw new Error('nothing was sent')
      return call
    },
    get isOver() {
      return isOver
    },
    get running() {
      return sent.length
    },
    request(request, sink, callOptions) {
      const call = createSentCall(request, sink, callOptions)
      sent.push(call)
      onRequest?.(call)
      return { cancel: () => (call.isCancelled = true) }
    },
    notify: (notification) => void notified.push(notification),
    listen: () => () => undefined,
    end: finish,
    [Symbol.asyncDispose]: async () => finish(undefined),
  }
}

function createSentCall(request: RpcRequest, sink: CallSink, options: CallOptions | undefined) {
  return {
    request,
    method: request.method,
    params: paramsOf(request),
    sink,
    options,
    isCancelled: false,
    answer(result: JsonObject | string) {
      const json = typeof result === 'string' ? result : JSON.stringify(result)
      sink.onResponse(makeRawResult(request.id, json))
    },
    refuse: (error: RpcError) => sink.onResponse(makeError(request.id, error)),
  }
}
