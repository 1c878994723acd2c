import type { AppError } from '../../src/lib/errors.ts'
import type {
  CallSink,
  Connection,
  ConnectionListener,
  Respond,
} from '../../src/features/services/upstream/connection.ts'
import {
  parseMessage,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from '../../src/features/services/wire/rpc-message.ts'

/** Everything that one call has heard. */
export interface CallLog extends CallSink {
  readonly notifications: RpcNotification[]
  readonly requests: RpcRequest[]
  /** In order, by kind. */
  readonly order: string[]
  /** Resolves with the answer, rejects with the failure. */
  readonly answer: Promise<RpcResponse>
  /** Resolves with the first request of the server. */
  readonly asked: Promise<{ readonly request: RpcRequest; readonly respond: Respond }>
  /** Resolves with the first notification. */
  readonly notified: Promise<RpcNotification>
}

/** Makes a sink that remembers what it hears. */
export function logCall(): CallLog {
  const answer = Promise.withResolvers<RpcResponse>()
  const asked = Promise.withResolvers<{ request: RpcRequest; respond: Respond }>()
  const notified = Promise.withResolvers<RpcNotification>()
  answer.promise.catch(() => {})
  const log = {
    notifications: [] as RpcNotification[],
    requests: [] as RpcRequest[],
    order: [] as string[],
    answer: answer.promise,
    asked: asked.promise,
    notified: notified.promise,
    onNotification(notification: RpcNotification) {
      log.order.push('notification')
      log.notifications.push(notification)
      notified.resolve(notification)
    },
    onRequest(request: RpcRequest, respond: Respond) {
      log.order.push('request')
      log.requests.push(request)
      asked.resolve({ request, respond })
    },
    onResponse(response: RpcResponse) {
      log.order.push('response')
      answer.resolve(response)
    },
    onFailure(error: AppError) {
      log.order.push('failure')
      answer.reject(error)
    },
  }
  return log
}

/** Reads a request from its text. */
export function requestFrom(text: string): RpcRequest {
  const message = parseMessage(Buffer.from(text))
  if (message.kind !== 'request') throw new Error('not a request')
  return message
}

/** Makes a call and waits for its answer, as text. */
export async function call(connection: Pick<Connection, 'request'>, text: string): Promise<string> {
  const log = logCall()
  connection.request(requestFrom(text), log)
  return (await log.answer).bytes.toString()
}

/** A listener that remembers what it hears. */
export interface ListenerLog extends ConnectionListener {
  readonly methods: string[]
  readonly asked: Promise<{ readonly request: RpcRequest; readonly respond: Respond }>
  /** Resolves once a message of this method has come. */
  heard(method: string): Promise<void>
}

/** Makes such a listener. It answers nothing by itself. */
export function logListener(): ListenerLog {
  const methods: string[] = []
  const asked = Promise.withResolvers<{ request: RpcRequest; respond: Respond }>()
  const waiting = new Map<string, PromiseWithResolvers<void>>()
  const note = (method: string) => {
    methods.push(method)
    waiting.get(method)?.resolve()
  }
  return {
    methods,
    asked: asked.promise,
    onNotification: ({ method }) => note(method),
    onRequest(request, respond) {
      note(request.method)
      asked.resolve({ request, respond })
    },
    async heard(method) {
      if (methods.includes(method)) return
      const pending = waiting.get(method) ?? Promise.withResolvers<void>()
      waiting.set(method, pending)
      await pending.promise
    },
  }
}
